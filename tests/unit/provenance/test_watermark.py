import io

import cv2
import numpy as np
import pytest
from PIL import Image

from reenact.media import read_image
from reenact.provenance.watermark import CERTAIN, FOUND, add_watermark, false_alarm_rate, watermark_score
from reenact.space import examples


@pytest.fixture(scope="module")
def portraits() -> list[np.ndarray]:
    pictures = [read_image(path).rgb for path in examples.portraits()]
    return [cv2.resize(each, (300, 256), interpolation=cv2.INTER_AREA) for each in pictures]


def as_jpeg(rgb: np.ndarray) -> np.ndarray:
    encoded = io.BytesIO()
    Image.fromarray(rgb).save(encoded, "JPEG", quality=80)
    return np.array(Image.open(encoded))


def test_mark_survives_jpeg_at_three_quarters_of_the_size_and_is_not_seen(portraits: list[np.ndarray]) -> None:
    for picture in portraits:
        marked = add_watermark(picture)
        change = marked.astype(float) - picture
        assert 10 * np.log10(255**2 / (change**2).mean()) > 40
        assert watermark_score([as_jpeg(cv2.resize(marked, (225, 192), interpolation=cv2.INTER_AREA))]) > CERTAIN
        assert abs(watermark_score([picture])) < FOUND


def test_scores_of_unmarked_pictures_are_standard_normal() -> None:
    rng = np.random.default_rng(0)
    scores = [
        watermark_score([cv2.GaussianBlur(rng.integers(0, 256, (96, 128, 3), np.uint8), (0, 0), 1.5)])
        for _ in range(400)
    ]
    assert abs(np.mean(scores)) < 0.2 and 0.8 < np.std(scores) < 1.2 and max(scores) < FOUND
    assert false_alarm_rate(FOUND) == pytest.approx(3.2e-5, rel=0.02)


def test_colours_that_are_not_seen_stay(portraits: list[np.ndarray]) -> None:
    alpha = np.zeros(portraits[0].shape[:2], np.uint8)
    alpha[:, 100:] = 255
    marked = add_watermark(portraits[0], alpha)
    assert np.array_equal(marked[:, :100], portraits[0][:, :100])
    assert not np.array_equal(marked[:, 100:], portraits[0][:, 100:])
