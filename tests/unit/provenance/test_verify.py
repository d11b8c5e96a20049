"""What is written into every format, and found there again."""

import pathlib
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from reenact.errors import ConfigError
from reenact.media import VideoWriter, read_image, write_image
from reenact.pipeline.results import ImageResult, origin_of
from reenact.pipeline.verify import verify
from reenact.provenance.origin import SYNTHETIC, Origin
from reenact.provenance.watermark import CERTAIN
from reenact.space import examples

WHOLE = Origin(watermark=True, label="AI-generated")


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return read_image(examples.portraits()[1]).rgb


def written(path: pathlib.Path, rgb: np.ndarray, origin: Origin | None) -> pathlib.Path:
    if path.name.startswith("clip"):
        height, width, _ = rgb.shape
        with VideoWriter(path, width=width, height=height, fps=Fraction(25), origin=origin) as writer:
            for index in range(3):
                writer.write(np.roll(rgb, index, 1))
    else:
        write_image(path, rgb, origin=origin)
    return path


@pytest.mark.parametrize(
    "name", ["a.png", "a.jpg", "a.webp", "clip.mp4", "clip.mov", "clip.mkv", "clip.webm", "clip.gif", "clip.webp"]
)
def test_origin_is_found_in_every_format(tmp_path: pathlib.Path, portrait: np.ndarray, name: str) -> None:
    found = verify(written(tmp_path / name, portrait[::2, ::2], WHOLE))
    assert found.text == SYNTHETIC.text
    assert found.source_type == "trainedAlgorithmicMedia"
    assert found.score > CERTAIN and "certain" in found.verdict
    assert found.manifest == "none"


@pytest.mark.parametrize("name", ["a.png", "clip.mp4"])
def test_metadata_alone_is_said_to_be_weak_and_nothing_is_found_in_others(
    tmp_path: pathlib.Path, portrait: np.ndarray, name: str
) -> None:
    found = verify(written(tmp_path / name, portrait, SYNTHETIC))
    assert not found.has_watermark and "anybody can write" in found.verdict
    other = verify(written(tmp_path / f"clip-{name}" if "clip" in name else tmp_path / f"b-{name}", portrait, None))
    assert other.as_dict()["metadata"] == {"text": None, "digital_source_type": None}
    assert "No sign" in other.verdict


def test_gif_and_webp_are_still_read_by_others(tmp_path: pathlib.Path, portrait: np.ndarray) -> None:
    with Image.open(written(tmp_path / "clip.gif", portrait, SYNTHETIC)) as image:
        assert image.n_frames == 3
        assert (
            image.info["comment"].decode().startswith("Synthetic: a face reenacted by the program reenact; http://cv.")
        )
    with Image.open(written(tmp_path / "clip.webp", portrait, SYNTHETIC)) as image:
        assert image.n_frames == 3
        assert image.info["xmp"] == SYNTHETIC.xmp


def test_metadata_alone_and_results_that_are_the_source_keep_every_pixel(
    tmp_path: pathlib.Path, portrait: np.ndarray
) -> None:
    assert np.array_equal(read_image(written(tmp_path / "a.png", portrait, SYNTHETIC)).rgb, portrait)
    same = ImageResult(rgb=portrait.copy(), alpha=None, source=portrait, warnings=())
    assert origin_of(same, WHOLE) is None


def test_label_covers_the_corner_alone_and_stays_inside_small_pictures(portrait: np.ndarray) -> None:
    labelled, alpha = Origin(label="AI-generated").mark(portrait, np.zeros(portrait.shape[:2], np.uint8))
    rows, columns = (labelled != portrait).any(2).nonzero()
    assert rows.min() > 470 and columns.min() > 370
    assert alpha is not None and alpha[-1, -1] == 255 and alpha[0, 0] == 0
    assert Origin(label="made by a machine, not by a camera").mark(portrait[:30, :40])[0].shape == (30, 40, 3)
    with pytest.raises(ConfigError, match="plain letters"):
        Origin(label="généré")
    for text in ("", "  ", "AI " * 200):
        with pytest.raises(ConfigError, match=r"The label has \d+ characters; write 1 to 60"):
            Origin(label=text)
