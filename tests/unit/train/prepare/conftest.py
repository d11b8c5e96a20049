"""Clips of a public-domain portrait, the embedded networks, and settings for them."""

import functools
import pathlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest

from train.prepare.settings import PrepareSettings

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
PORTRAIT = REPOSITORY / "examples" / "portraits" / "astronaut.jpg"
"""Eileen Collins, by NASA: public domain. Her face is about 110 px of 512, at (225, 120)."""
ACTOR = REPOSITORY / "examples" / "driving" / "actor-nod.mp4"
"""Drawn by the project: 50 frames of 256 x 256 at 25 a second."""

WEIGHTS = ("perception/detector", "perception/tracker", "perception/parser", "perception/identity")


@functools.cache
def portrait() -> np.ndarray:
    bgr = cv2.imread(str(PORTRAIT), cv2.IMREAD_COLOR)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def moved(picture: np.ndarray, right_px: float = 0, down_px: float = 0, zoom: float = 1) -> np.ndarray:
    """The picture moved and magnified, its border repeated."""
    matrix = np.array([[zoom, 0, right_px], [0, zoom, down_px]], np.float64)
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def write_clip(
    path: pathlib.Path,
    frames: list[np.ndarray],
    fps: Fraction = Fraction(25),
    *,
    times_s: list[Fraction] | None = None,
) -> pathlib.Path:
    """Silent H.264; `times_s` gives each frame its own time instead of a constant rate."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16", "preset": "veryfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000) if times_s else 1 / fps
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            if times_s is not None:
                picture.pts, picture.time_base = round(times_s[i] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def swaying(count: int, *, size: int = 384) -> list[np.ndarray]:
    """The portrait, swaying."""
    x0 = 225 - size // 2
    return [moved(portrait(), 14 * np.sin(i / 6), 6 * np.sin(i / 4))[:size, x0 : x0 + size] for i in range(count)]


@pytest.fixture(scope="session")
def weights(embedded: Callable[[str], pathlib.Path]) -> list[pathlib.Path]:
    """Folders of the networks that label, or a skip that names what is missing."""
    return [embedded(name) for name in WEIGHTS]


@pytest.fixture(scope="session")
def labeller(weights: list[pathlib.Path]) -> Any:
    from train.prepare.labels import Labeller

    return Labeller("own", None)


@pytest.fixture
def clips(tmp_path: pathlib.Path) -> pathlib.Path:
    """An empty folder for clips."""
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(tmp_path: pathlib.Path, clips: pathlib.Path) -> PrepareSettings:
    return PrepareSettings(videos=clips, out=tmp_path / "set", workers=0)


@pytest.fixture(autouse=True)
def no_processes_left() -> Iterator[None]:
    """No test leaves a running process."""
    import multiprocessing

    yield
    assert multiprocessing.active_children() == []
