import cv2
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given
from hypothesis import strategies as st

from reenact.hub.loading import load_detector
from reenact.perception.detector import (
    SIZE_OVER_STRIDE,
    STRIDES,
    Detector,
    DetectorConfig,
    DetectorNetwork,
    box_overlaps,
    cell_points,
    decode_boxes,
    suppress_overlaps,
)

SMALL = DetectorConfig(stem=(4, 8), widths=(8, 8, 8), blocks=(1, 1, 1), neck=8, scan_px=128, rescan_px=256)


def small_network(seed: int = 0) -> DetectorNetwork:
    torch.manual_seed(seed)
    return DetectorNetwork(SMALL).eval()


def eager_network() -> DetectorNetwork:
    """One that finds faces everywhere."""
    network = small_network()
    for head in network.heads:
        torch.nn.init.normal_(head[-1].weight, std=0.5)
        torch.nn.init.constant_(head[-1].bias[:1], 0.8)  # scores around 0.7
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():  # noise then spreads over the whole range of each channel
        network.train()(torch.rand(4, 3, 128, 128))
    return network.eval()


def random_boxes(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * 100
    return torch.cat([low, low + 5 + torch.rand(count, 2, generator=generator) * 60], dim=1)


def test_one_prediction_per_cell_of_each_level():
    out = small_network()(torch.rand(2, 3, 64, 96))
    cells = sum((64 // stride) * (96 // stride) for stride in STRIDES)
    assert out.score_logit.shape == (2, cells)
    assert out.boxes.shape == (2, cells, 4)
    assert (out.boxes[..., 2:] > out.boxes[..., :2]).all()


def test_cells_lie_inside_the_picture_in_order():
    points, strides = cell_points(64, 96)
    assert points[0].tolist() == [4.0, 4.0]
    assert points[1].tolist() == [12.0, 4.0]
    assert points[-1].tolist() == [80.0, 48.0]
    assert strides.unique().tolist() == [8.0, 16.0, 32.0]
    assert (points > 0).all()
    assert (points < torch.tensor([96.0, 64.0])).all()


def test_boxes_are_decoded_from_offset_and_log_size():
    raw, point, stride = (
        torch.tensor([[1.0, -0.5, 0, float(np.log(2))]]),
        torch.tensor([[20.0, 12]]),
        torch.tensor([8.0]),
    )
    half = SIZE_OVER_STRIDE * 8 / 2
    assert decode_boxes(raw, point, stride)[0].tolist() == pytest.approx(
        [28 - half, 8 - 2 * half, 28 + half, 8 + 2 * half]
    )


def test_overlaps_of_known_boxes():
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [2, 2, 4, 4], [20, 20, 30, 30]])
    iou, inside = box_overlaps(boxes, boxes)
    assert torch.allclose(iou.diagonal(), torch.ones(4))
    assert iou[0, 1] == pytest.approx(1 / 3)
    assert inside[0, 2] == pytest.approx(1.0)
    assert iou[0, 3] == 0
    assert torch.equal(iou, iou.T)


@given(seed=st.integers(0, 1000), count=st.integers(0, 20))
def test_what_suppression_keeps_does_not_clash_and_what_it_drops_does(seed: int, count: int):
    boxes = random_boxes(count, seed)
    scores = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    kept = suppress_overlaps(boxes, scores, max_iou=0.4, max_inside=0.8)
    assert (scores[kept].diff() <= 0).all()
    iou, inside = box_overlaps(boxes, boxes)
    clashes = (iou > 0.4) | (inside > 0.8)
    assert clashes[kept][:, kept].sum() == len(kept)  # each with itself alone
    for i in set(range(count)) - set(kept.tolist()):
        assert (clashes[i, kept] & (scores[kept] >= scores[i])).any()


def test_suppression_of_its_own_result_changes_nothing():
    boxes, scores = random_boxes(30, 3), torch.rand(30, generator=torch.Generator().manual_seed(3))
    kept = suppress_overlaps(boxes, scores, max_iou=0.4)
    again = suppress_overlaps(boxes[kept], scores[kept], max_iou=0.4)
    assert again.tolist() == list(range(len(kept)))


@pytest.mark.parametrize("shape", [(1, 1), (20, 30), (333, 77), (128, 128), (300, 400)])
def test_pictures_of_any_size_are_searched(shape: tuple[int, int]):
    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = Detector(eager_network()).detect(frame, min_score=0.5)
    assert found.boxes_px.shape == (len(found), 4)
    assert found.scores.shape == (len(found),)
    assert found.boxes_px.dtype == np.float32
    assert ((found.scores >= 0.5) & (found.scores <= 1)).all()
    areas = np.prod(found.boxes_px[:, 2:] - found.boxes_px[:, :2], axis=1)
    assert (np.diff(areas) <= 0).all()


def test_the_same_picture_gives_the_same_faces():
    frame = np.random.default_rng(1).integers(0, 256, (120, 100, 3), dtype=np.uint8)
    detector = Detector(eager_network())
    first, second = detector.detect(frame), detector.detect(frame)
    assert np.array_equal(first.boxes_px, second.boxes_px)
    assert np.array_equal(first.scores, second.scores)


def test_a_higher_threshold_finds_no_more():
    frame = np.random.default_rng(2).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    detector = Detector(eager_network())
    everything, some = detector.detect(frame, min_score=0.3), detector.detect(frame, min_score=0.6)
    assert len(everything) > 0
    assert len(some) <= len(everything)
    assert (some.scores >= 0.6).all()


def test_faces_too_small_to_reenact_must_be_certain():
    frame = np.random.default_rng(4).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    detector = Detector(eager_network())
    everything, sure = detector.detect(frame, min_score=SMALL.min_score), detector.detect(frame)
    small = np.max(everything.boxes_px[:, 2:] - everything.boxes_px[:, :2], axis=1) < SMALL.small_face_px
    expected = everything.scores[~small | (everything.scores >= SMALL.small_min_score)]
    assert (small & (everything.scores < SMALL.small_min_score)).any(), "nothing to drop: the test says nothing"
    assert np.array_equal(sure.scores, expected)


def test_nothing_found_gives_empty_arrays():
    found = Detector(small_network()).detect(np.zeros((400, 300, 3), np.uint8))
    assert len(found) == 0
    assert found.boxes_px.shape == (0, 4)


def test_large_pictures_without_a_face_are_tried_again_in_more_detail(monkeypatch: pytest.MonkeyPatch):
    detector = Detector(small_network())
    seen: list[tuple[int, int]] = []
    resized = detector._resized
    monkeypatch.setattr(detector, "_resized", lambda frame, scale: (seen.append(scale), resized(frame, scale))[1])
    detector.detect(np.zeros((200, 512, 3), np.uint8))
    assert seen == [128 / 512, 128 / 512 / 3, 256 / 512]


def test_folding_batch_norms_changes_no_prediction():
    network = small_network()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    rgb = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        plain, folded = network(rgb), Detector(network).network(rgb)
    assert torch.allclose(plain.boxes, folded.boxes, atol=1e-3)
    assert torch.allclose(plain.score_logit, folded.score_logit, atol=1e-4)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules()), "the caller's network stays"


@pytest.fixture(scope="module")
def embedded_detector() -> Detector:
    return load_detector()


ASTRONAUT_BOX = np.array([178, 72, 270, 174])
"""Forehead to chin of the one face in scikit-image's astronaut, by eye."""


def overlap_with(boxes: np.ndarray, box: np.ndarray) -> float:
    iou, _ = box_overlaps(torch.from_numpy(boxes), torch.from_numpy(np.asarray(box, np.float32))[None])
    return float(iou.max()) if len(boxes) else 0.0


@pytest.mark.parametrize("side", [250, 512, 1500])
def test_embedded_weights_find_the_astronaut_at_any_size(embedded_detector: Detector, side: int):
    frame = cv2.resize(skimage.data.astronaut(), (side, side), interpolation=cv2.INTER_AREA)
    found = embedded_detector.detect(frame)
    assert len(found) == 1
    assert overlap_with(found.boxes_px, ASTRONAUT_BOX * side / 512) > 0.7


def test_embedded_weights_find_a_small_face_in_a_wide_picture(embedded_detector: Detector):
    frame = np.full((1080, 1920, 3), 120, np.uint8)
    frame[300:520, 1400:1620] = cv2.resize(skimage.data.astronaut(), (220, 220), interpolation=cv2.INTER_AREA)
    found = embedded_detector.detect(frame)
    assert overlap_with(found.boxes_px, ASTRONAUT_BOX * 220 / 512 + [1400, 300, 1400, 300]) > 0.5


@pytest.mark.parametrize("name", ["coffee", "rocket", "brick"])
def test_embedded_weights_find_no_face_where_there_is_none(embedded_detector: Detector, name: str):
    frame = getattr(skimage.data, name)()
    found = embedded_detector.detect(frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2))
    assert len(found) == 0
