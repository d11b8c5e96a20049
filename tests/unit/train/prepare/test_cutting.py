"""From stretches to samples: pixels of the crop, pieces between unsure frames, and the second decoding."""

import base64
import io
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from reenact.media import picked_frames
from reenact.media.picked_frames import Picked
from tests.unit.train.prepare.conftest import moved, portrait
from train.data.shards import decode_arrays
from train.prepare.cutting import BATCH, Cut, Cutter, cut_square, cut_still, mesh_in_crop
from train.prepare.filters import Rejection
from train.prepare.labels import LabelledCrops
from train.prepare.settings import PrepareSettings
from train.prepare.sources import Source
from train.prepare.stretches import Crop, Stretch

CROP = Crop(x0=100, y0=5, side=240)


class Picture(picked_frames.Picture):
    """A made-up picture of `Picked` that logs when its pixels are read."""

    def __init__(self, slot: int, log: list[int]) -> None:
        self._slot, self._log = slot, log

    @property
    def rgb(self) -> np.ndarray:  # type: ignore[override]
        self._log.append(self._slot)
        return moved(portrait(), 3 * np.sin(self._slot / 5))


class StubLabeller:
    """Gives chosen frames a low score; everything else is made up."""

    def __init__(self, unsure: set[int]) -> None:
        self.unsure, self.seen, self.parsed = unsure, 0, 0

    def measure(self, crops: list[np.ndarray], meshes_px: np.ndarray) -> LabelledCrops:
        from reenact.types import FaceGeometry

        count = len(crops)
        assert meshes_px.shape == (count, 478, 3)
        score = torch.tensor([0.1 if self.seen + i in self.unsure else 0.9 for i in range(count)])
        self.seen += count
        geometry = FaceGeometry(
            mesh_px=torch.from_numpy(meshes_px),
            blendshapes=torch.zeros(count, 52),
            rotation=torch.eye(3).expand(count, 3, 3),
            action_units=torch.zeros(count, 17),
            score=score,
        )
        return LabelledCrops(
            rgb=np.stack(crops), geometry=geometry, embedding=np.eye(256, dtype=np.float32)[[0] * count]
        )

    def parse(self, crops: list[np.ndarray]) -> np.ndarray:
        self.parsed += len(crops)
        return np.ones((len(crops), 128, 128), np.uint8)


def mesh() -> np.ndarray:
    """Two corners of the portrait's face."""
    points = np.full((478, 3), (225, 120, 0), np.float32)
    points[0, :2], points[1, :2] = (180, 65), (270, 175)
    return points


def stretch(first_slot: int, length: int, *, person: int = 0, face_px: float = 110, fault: str = "") -> Stretch:
    meshes = np.repeat(mesh()[None], length, 0)
    return Stretch(
        person=person, first_slot=first_slot, meshes_px=meshes, crop=CROP, face_px=face_px, outside=0, fault=fault
    )


def cut(
    settings: PrepareSettings, stretches: list[Stretch], *, frames: int = 60, unsure: set[int] | None = None
) -> tuple[list[Cut | Rejection], list[int], StubLabeller]:
    """All results, the slots whose pixels were read, and the labeller."""
    log: list[int] = []
    labeller = StubLabeller(unsure or set())
    source = Source(path=settings.videos / "a.mp4", origin="a.mp4", labels={"video": "x"})
    picked = (Picked(slot=slot, after_gap=False, picture=Picture(slot, log)) for slot in range(frames))
    cutter = Cutter(picked, source, Fraction(25, 2), labeller, settings)  # type: ignore[arg-type]
    for one in stretches:
        cutter.add(one)
    return list(cutter.advance(None)), log, labeller


def rejections(results: list[Cut | Rejection]) -> list[tuple[str, float | None, int]]:
    """Reason, start and frames of all rejections, with or without a picture."""
    found = []
    for one in results:
        facts = one.facts.get("rejected") if isinstance(one, Cut) else vars(one)
        if facts:
            found.append((facts["reason"], facts["start_s"], facts["frames"]))
    return found


def samples(results: list[Cut | Rejection]) -> list[Cut]:
    return [one for one in results if isinstance(one, Cut) and "rejected" not in one.facts]


def test_a_stretch_becomes_a_sample(settings: PrepareSettings, tmp_path: Any) -> None:
    results, log, labeller = cut(settings, [stretch(10, 21)])
    (one,) = results
    assert isinstance(one, Cut)
    assert set(one.files) == {"mp4", "npz", "jpg"}
    facts = {name: one.facts[name] for name in ("fps", "frames", "start_s", "crop_px", "origin", "labels", "track")}
    assert facts == {
        "fps": "25/2",
        "frames": 21,
        "start_s": 0.8,
        "crop_px": [100, 5, 340, 245],
        "origin": "a.mp4",
        "labels": {"video": "x"},
        "track": 0,
    }
    assert log == list(range(10, 31))  # pixels of other frames are not read
    arrays = decode_arrays(one.files["npz"])
    assert arrays["mesh_d16"].shape == (21, 478, 3)
    assert arrays["parsing"].shape == (11, 128, 128)
    assert labeller.parsed == 11
    (tmp_path / "a.mp4").write_bytes(one.files["mp4"])
    assert cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 21
    mean = np.frombuffer(base64.b64decode(one.facts["mean_embedding"]), np.float32)
    assert mean.tolist() == np.eye(256)[0].tolist()


@pytest.mark.parametrize("length", [BATCH, BATCH + 1, 2 * BATCH - 1])
def test_every_second_frame_is_parsed_across_batches(settings: PrepareSettings, length: int) -> None:
    (one,) = samples(cut(settings, [stretch(0, length)])[0])
    assert decode_arrays(one.files["npz"])["parsing"].shape[0] == (length + 1) // 2


def test_unsure_frames_split_a_stretch(settings: PrepareSettings) -> None:
    results, _, _ = cut(settings, [stretch(0, 40)], unsure={9, 10, 30})
    assert [(one.facts["start_s"], one.facts["frames"]) for one in samples(results)] == [(0, 9), (0.88, 19), (2.48, 9)]
    assert rejections(results) == [("uncertain", 0.72, 2), ("uncertain", 2.4, 1)]
    for one in samples(results):
        arrays = decode_arrays(one.files["npz"])
        assert len(arrays["parsing"]) == (one.facts["frames"] + 1) // 2
    results, _, _ = cut(settings, [stretch(0, 20)], unsure={3})
    assert [one.facts["frames"] for one in samples(results)] == [16]
    assert sorted(rejections(results)) == [("short", 0.0, 3), ("uncertain", 0.24, 1)]


def test_faults_that_need_no_pixels_read_one_picture(settings: PrepareSettings) -> None:
    faulty = [stretch(0, 20, face_px=50), stretch(22, 5), stretch(30, 20, fault="outside")]
    results, log, labeller = cut(settings, faulty)
    assert [reason for reason, _, _ in rejections(results)] == ["small", "short", "outside"]
    assert all(isinstance(one, Cut) and set(one.files) == {"jpg"} for one in results)
    assert log == [10, 24, 40]
    assert labeller.seen == 0


def test_people_at_the_same_time(settings: PrepareSettings) -> None:
    both = [stretch(0, 30, person=1), stretch(5, 10, person=0), stretch(20, 12, person=2)]
    results, log, _ = cut(settings, both)
    assert [(one.facts["track"], one.facts["frames"]) for one in samples(results)] == [(0, 10), (1, 30), (2, 12)]
    assert len(log) == 30 + 10 + 12


def test_frames_are_not_read_before_their_stretches_are_complete(settings: PrepareSettings) -> None:
    log: list[int] = []
    pulled: list[int] = []

    def frames() -> Any:
        for slot in range(50):
            pulled.append(slot)
            yield Picked(slot=slot, after_gap=False, picture=Picture(slot, log))

    source = Source(path=settings.videos / "a.mp4", origin="a.mp4")
    cutter = Cutter(frames(), source, Fraction(25, 2), StubLabeller(set()), settings)  # type: ignore[arg-type]
    assert list(cutter.advance(30)) == []
    assert pulled == []
    cutter.add(stretch(4, 10))
    assert list(cutter.advance(12)) == []
    assert pulled[-1] == 12  # one frame ahead
    assert log == list(range(4, 12))
    (one,) = cutter.advance(20)
    assert isinstance(one, Cut)


def test_a_blurred_stretch_is_left_out(settings: PrepareSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picture, "rgb", property(lambda self: cv2.GaussianBlur(portrait(), (0, 0), 4)))
    results, _, _ = cut(settings, [stretch(0, 12)])
    assert rejections(results) == [("blurred", 0.0, 12)]


def test_crops_beyond_the_border_repeat_it() -> None:
    picture = portrait()
    inside = cut_square(picture, Crop(x0=10, y0=20, side=256))
    assert np.array_equal(inside, picture[20:276, 10:266])
    corner = cut_square(picture, Crop(x0=-128, y0=-128, side=256))
    assert np.array_equal(corner[128:, 128:], picture[:128, :128])
    assert (corner[:128, :128] == picture[0, 0]).all()
    far = cut_square(picture, Crop(x0=400, y0=400, side=300))
    assert far.shape == (256, 256, 3)


def test_meshes_move_with_the_pixels() -> None:
    """A mark in the frame is found at its mesh point in the crop."""
    frame = np.zeros((300, 400, 3), np.uint8)
    frame[148:152, 198:202] = 255
    crop = Crop(x0=120, y0=90, side=128)
    points = np.full((1, 478, 3), (200, 150, 7), np.float32)
    x, y, z = mesh_in_crop(points, crop)[0, 0]
    ys, xs = np.nonzero(cut_square(frame, crop)[..., 0] > 128)
    assert (xs.mean() + 0.5, ys.mean() + 0.5) == pytest.approx((x, y), abs=0.1)
    assert z == 14


def test_a_still(settings: PrepareSettings, labeller: Any) -> None:
    picture, source = portrait(), Source(path=settings.videos / "a.jpg", origin="a.jpg", person="ann")
    found = labeller.tracker.track(picture).mesh_px.numpy()
    one = Stretch(person=0, first_slot=0, meshes_px=found, crop=CROP, face_px=109, outside=0)
    still = cut_still(picture, one, source, labeller, settings)
    assert isinstance(still, Cut)
    assert set(still.files) == {"png", "npz", "jpg"}
    assert np.array_equal(Image.open(io.BytesIO(still.files["png"])), cut_square(picture, CROP))  # lossless
    assert Image.open(io.BytesIO(still.files["jpg"])).size == (96, 96)
    assert still.facts["known_person"] == "ann"
    assert decode_arrays(still.files["npz"])["mesh_16"].shape == (478, 3)
    strict = PrepareSettings(videos=settings.videos, out=settings.out, min_face_px=200)
    small = cut_still(picture, one, source, labeller, strict)
    assert isinstance(small, Cut)
    assert small.facts["rejected"]["reason"] == "small"
    assert small.facts["rejected"]["start_s"] is None
