"""A public-domain portrait, and clips that the tests make of it."""

import dataclasses
import pathlib
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

WEIGHTS = ("correspondence", "geometry", "painters/mouth", "painters/eye", "perception/tracker", "perception/detector")


@pytest.fixture(scope="module", autouse=True)
def same_portraits(portraits_once: None) -> None:
    """Sources that several tests share are taken apart once."""


@pytest.fixture(scope="session")
def weights(embedded: Callable[[str], pathlib.Path]) -> dict[str, pathlib.Path]:
    """Folders of all that a run needs, or a skip that names what is missing."""
    return {name: embedded(name) for name in WEIGHTS}


@pytest.fixture(scope="session")
def all_weights(weights: dict[str, pathlib.Path], embedded: Callable[[str], pathlib.Path]) -> dict[str, pathlib.Path]:
    """Folders of all that the editor and the large-pose mode need, too."""
    return weights | {name: embedded(name) for name in ("facegan", "dual_generator", "perception/parser")}


def write_untrained_dual_generator(folder: pathlib.Path) -> None:
    """A checkpoint that moves heads, and draws noise where they were."""
    import torch

    from reenact.systems.dual_generator.config import DualGeneratorConfig
    from reenact.systems.dual_generator.networks import DualGeneratorNetworks
    from train.run.export import write_model

    torch.manual_seed(0)
    config = DualGeneratorConfig(
        landmark_width=16, action_code=8, decoder_width=16, width=8, max_width=16, style=12, style_px=64, style_width=4
    )
    network = dataclasses.asdict(config)
    write_model(DualGeneratorNetworks(config), folder, {"model": "dual_generator", "network": network}, {})


def write_random_facegan(folder: pathlib.Path) -> None:
    """A checkpoint that draws noise where landmarks move."""
    import torch

    from reenact.systems.facegan.config import FaceganConfig
    from reenact.systems.facegan.networks import FaceganNetworks
    from train.run.export import write_model

    torch.manual_seed(0)
    config = FaceganConfig(widths=(16, 24), mixer_widths=(16, 24), transformer_width=64)
    networks = FaceganNetworks(config)
    with torch.no_grad():
        for weight in networks.parameters():
            weight += 0.05 * torch.randn_like(weight)
    write_model(networks, folder, {"model": "facegan", "network": dataclasses.asdict(config)}, {})


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """Eileen Collins, by NASA: public domain, comes with scikit-image. Her face is about 110 px of 512."""
    data = pytest.importorskip("skimage.data", reason="scikit-image, which carries the portrait, is not installed")
    return data.astronaut()


def swayed(picture: np.ndarray, turn_deg: float, right_px: float, down_px: float = 0.0) -> np.ndarray:
    """The picture turned around the face and moved."""
    matrix = cv2.getRotationMatrix2D((225.0, 120.0), turn_deg, 1.0)
    matrix[:, 2] += right_px, down_px
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> pathlib.Path:
    """A folder with source.png, driving.png (tilted) and driving.mp4 (swaying; 12 frames, 25 a second, a tone)."""
    from reenact.media import write_image

    folder = tmp_path_factory.mktemp("material")
    write_image(folder / "source.png", astronaut)
    write_image(folder / "driving.png", swayed(astronaut, 12, 0))
    frames = [swayed(astronaut, 6 * np.sin(i / 3), 10 * np.sin(i / 4)) for i in range(12)]
    write_clip(folder / "driving.mp4", frames, tone=True)
    return folder


def write_clip(path: pathlib.Path, frames: list[np.ndarray], *, tone: bool = False) -> pathlib.Path:
    """25 frames a second, a key frame every 5; `tone`: with 440 Hz in AAC."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(25), options={"crf": "16", "g": "5"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=44100) if tone else None
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(video.encode())
        if sound is not None:
            samples = np.arange(round(len(frames) / 25 * 44100), dtype=np.float32)
            wave = 0.3 * np.sin(samples * (2 * np.pi * 440 / 44100), dtype=np.float32)[None]
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave), format="fltp", layout="mono")
            block.sample_rate = 44100
            container.mux(sound.encode(block))
            container.mux(sound.encode())
    return path
