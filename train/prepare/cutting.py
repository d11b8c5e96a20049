"""Turns stretches into samples: crops are cut, labelled in batches and encoded one by one.

The crop of a stretch is known only after its last frame. The clip is therefore decoded a second time, behind the first
by the longest open stretch, so that memory holds one batch of crops per person for clips of any length.
"""

import base64
import dataclasses
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from reenact.media.clip_bytes import ClipEncoder
from reenact.media.frame import Frame
from reenact.media.picked_frames import Picked
from reenact.types import FaceGeometry
from train.data.faces import CROP_PX
from train.data.shards import encode_arrays
from train.prepare.encode import encode_still, encode_strip
from train.prepare.filters import Rejection, person_changes, sharpness
from train.prepare.labels import (
    LabelledCrops,
    Labeller,
    clip_arrays,
    still_arrays,
    turned_counts,
    yaw_deg,
    yaw_histogram,
)
from train.prepare.settings import PrepareSettings
from train.prepare.sources import Source
from train.prepare.stretches import MAX_FACE_OUTSIDE, Crop, Stretch

BATCH = 16
"""Crops labelled together."""
THUMBNAIL_PX = 96
_STRIP, _STRIP_EVERY = 4, 8
_MOST_THUMBNAILS = 24
"""Most thumbnails of rejected stretches in one clip."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cut:
    """A sample of one source, before its person and split are known."""

    files: dict[str, bytes]
    facts: dict[str, Any]
    """Facts of the sample, including those that only the last stage needs."""


class Cutter:
    """Turns finished stretches of one clip into samples and rejections."""

    def __init__(
        self, frames: Iterable[Picked], source: Source, fps: Fraction, labeller: Labeller, settings: PrepareSettings
    ) -> None:
        """Start a clip; its frames are not decoded before the first stretch."""
        self._frames = iter(frames)
        self._next: Picked | None = None
        self._source, self._fps, self._labeller, self._settings = source, fps, labeller, settings
        self._waiting: list[Stretch] = []
        self._active: list[_OpenStretch | _OpenThumbnail] = []
        self._thumbnails = 0

    def add(self, stretch: Stretch) -> None:
        """Add a finished stretch."""
        self._waiting.append(stretch)

    def advance(self, settled_slot: int | None) -> Iterator[Cut | Rejection]:
        """Cut stretches up to `settled_slot`, before which no more stretches begin; None: all."""
        while self._waiting or self._active:
            picked = self._peek()
            if picked is None or (settled_slot is not None and picked.slot >= settled_slot):
                break
            self._next = None
            yield from self._begin(picked.slot)
            for one in self._active:
                if one.needs(picked.slot):
                    one.take(picked.rgb)
            ended = [one for one in self._active if one.end_slot <= picked.slot + 1]
            self._active = [one for one in self._active if one.end_slot > picked.slot + 1]
            for one in ended:
                yield from one.finish()

    def _peek(self) -> Picked | None:
        if self._next is None:
            self._next = next(self._frames, None)
        return self._next

    def _begin(self, slot: int) -> Iterator[Rejection]:
        ready = [stretch for stretch in self._waiting if stretch.first_slot <= slot]
        self._waiting = [stretch for stretch in self._waiting if stretch.first_slot > slot]
        for stretch in sorted(ready, key=lambda one: (one.first_slot, one.person)):
            place = _Place(source=self._source, stretch=stretch, fps=self._fps)
            fault = self._fault_of(stretch)
            if fault is None:
                self._active.append(_OpenStretch(place, self._labeller, self._settings))
            elif self._thumbnails < _MOST_THUMBNAILS:
                self._thumbnails += 1
                self._active.append(_OpenThumbnail(place, fault))
            else:
                yield place.reject(*fault, 0, len(stretch))

    def _fault_of(self, stretch: Stretch) -> tuple[str, str] | None:
        """Reason and detail of a rejection that needs no pixels; None without one."""
        settings = self._settings
        if stretch.fault:
            return stretch.fault, f"more than {MAX_FACE_OUTSIDE:.0%} of the face is outside"
        if stretch.face_px < settings.min_face_px:
            return "small", f"{stretch.face_px:.0f} px, need {settings.min_face_px}"
        if len(stretch) < settings.min_frames:
            return "short", f"{len(stretch)} frames, need {settings.min_frames}"
        outside = stretch.outside
        if outside > settings.max_share_outside:
            return "outside", f"{outside:.0%} of the crop, at most {settings.max_share_outside:.0%}"
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Place:
    """A stretch in its clip."""

    source: Source
    stretch: Stretch
    fps: Fraction

    @property
    def crop(self) -> Crop:
        return self.stretch.crop

    def start_s(self, frame: int) -> float:
        return round(float((self.stretch.first_slot + frame) / self.fps), 4)

    def reject(self, reason: str, detail: str, first: int, end: int) -> Rejection:
        """Rejection of the stretch's frames from `first` to before `end`."""
        return Rejection(
            origin=self.source.origin,
            reason=reason,
            detail=detail,
            start_s=self.start_s(first),
            end_s=self.start_s(end),
            frames=end - first,
        )


class _OpenThumbnail:
    """Takes one picture of a rejected stretch."""

    def __init__(self, place: _Place, fault: tuple[str, str]) -> None:
        self._place, self._fault = place, fault
        self._slot = place.stretch.first_slot + len(place.stretch) // 2
        self.end_slot = self._slot + 1
        self._strip = b""

    def needs(self, slot: int) -> bool:
        return slot == self._slot

    def take(self, rgb: Frame) -> None:
        self._strip = encode_strip([cut_square(rgb, self._place.crop)], THUMBNAIL_PX)

    def finish(self) -> Iterator[Cut | Rejection]:
        rejection = self._place.reject(*self._fault, 0, len(self._place.stretch))
        if self._strip:
            yield Cut(files={"jpg": self._strip}, facts={"rejected": dataclasses.asdict(rejection)})
        else:
            yield rejection


class _OpenStretch:
    """Takes the frames of one stretch; frames with a low score split it into pieces."""

    def __init__(self, place: _Place, labeller: Labeller, settings: PrepareSettings) -> None:
        self._place, self._labeller, self._settings = place, labeller, settings
        self._batch: list[np.ndarray] = []
        self._done = 0
        self._piece: _Piece | None = None
        self._unsure = 0
        self._results: list[Cut | Rejection] = []
        self.end_slot = place.stretch.end_slot

    def needs(self, slot: int) -> bool:
        return self._place.stretch.first_slot <= slot < self.end_slot

    def take(self, rgb: Frame) -> None:
        self._batch.append(cut_square(rgb, self._place.crop))
        if len(self._batch) == BATCH:
            self._label()

    def finish(self) -> Iterator[Cut | Rejection]:
        self._label()
        self._close_piece()
        self._close_unsure(self._done)
        yield from self._results

    def _label(self) -> None:
        if not self._batch:
            return
        meshes = self._place.stretch.meshes_px[self._done : self._done + len(self._batch)]
        labelled = self._labeller.measure(self._batch, mesh_in_crop(meshes, self._place.crop))
        sure = labelled.geometry.score.numpy() >= self._settings.min_score
        parsed = self._parse(sure)
        for i in range(len(self._batch)):
            if sure[i]:
                self._close_unsure(self._done + i)
                if self._piece is None:
                    self._piece = _Piece(self._done + i, self._place.fps)
                self._piece.add(labelled, i, parsed.get(i))
            else:
                self._close_piece()
                self._unsure += 1
        self._done += len(self._batch)
        self._batch = []

    def _parse(self, sure: np.ndarray) -> dict[int, np.ndarray]:
        """Class maps of every second frame of each piece, by index in the batch."""
        length = 0 if self._piece is None else self._piece.frames
        chosen = []
        for i, good in enumerate(sure):
            if good and length % 2 == 0:
                chosen.append(i)
            length = length + 1 if good else 0
        if not chosen:
            return {}
        return dict(zip(chosen, self._labeller.parse([self._batch[i] for i in chosen]), strict=True))

    def _close_unsure(self, end: int) -> None:
        if self._unsure:
            detail = f"score below {self._settings.min_score:g} in the crop"
            self._results.append(self._place.reject("uncertain", detail, end - self._unsure, end))
            self._unsure = 0

    def _close_piece(self) -> None:
        piece, self._piece = self._piece, None
        if piece is None:
            return
        fault = piece.fault(self._settings)
        if fault is None:
            self._results.append(piece.finish(self._place))
        else:
            rejection = self._place.reject(*fault, piece.first, piece.first + piece.frames)
            self._results.append(Cut(files={"jpg": piece.strip()}, facts={"rejected": dataclasses.asdict(rejection)}))


class _Piece:
    """Consecutive frames that become one sample."""

    def __init__(self, first: int, fps: Fraction) -> None:
        self.first = first
        """Index of its first frame in the stretch."""
        self.frames = 0
        self._fps = fps
        self._encoder = ClipEncoder(side_px=CROP_PX, fps=fps)
        self._geometry: list[FaceGeometry] = []
        self._embedding: list[np.ndarray] = []
        self._parsing: list[np.ndarray] = []
        self._sharpness: list[float] = []
        self._small: list[np.ndarray] = []

    def add(self, labelled: LabelledCrops, row: int, parsing: np.ndarray | None) -> None:
        rgb, geometry = labelled.rgb[row], labelled.geometry[row : row + 1]
        self._encoder.add(rgb)
        self._geometry.append(geometry)
        self._embedding.append(labelled.embedding[row])
        if parsing is not None:
            self._parsing.append(parsing)
            self._sharpness.append(sharpness(rgb, geometry.mesh_px[0].numpy()))
        if self.frames % _STRIP_EVERY == 0:
            self._small.append(cv2.resize(rgb, (THUMBNAIL_PX,) * 2, interpolation=cv2.INTER_AREA))
        self.frames += 1

    def fault(self, settings: PrepareSettings) -> tuple[str, str] | None:
        """Reason and detail of a rejection; None without one."""
        if self.frames < settings.min_frames:
            return "short", f"{self.frames} frames, need {settings.min_frames}"
        sharp = float(np.median(self._sharpness))
        if sharp < settings.min_sharpness:
            return "blurred", f"sharpness {sharp:.2f}, need {settings.min_sharpness:g}"
        similarity = person_changes(np.stack(self._embedding))
        if similarity is not None:
            return "identity", f"similarity {similarity:.2f} before and after"
        return None

    def finish(self, place: _Place) -> Cut:
        """The sample."""
        geometry, embedding = FaceGeometry.cat(self._geometry), np.stack(self._embedding)
        facts = sample_facts(
            geometry, embedding, place.source, place.stretch.face_px, float(np.median(self._sharpness))
        )
        facts |= {
            "fps": str(self._fps),
            "frames": self.frames,
            "start_s": place.start_s(self.first),
            "crop_px": place.crop.box_px,
            "track": place.stretch.person,
        }
        arrays = clip_arrays(geometry, embedding, np.stack(self._parsing))
        files = {"mp4": self._encoder.finish(), "npz": encode_arrays(arrays), "jpg": self.strip()}
        return Cut(files=files, facts=facts)

    def strip(self) -> bytes:
        """A few frames side by side."""
        chosen = np.linspace(0, len(self._small) - 1, min(_STRIP, len(self._small))).round().astype(int)
        return encode_strip([self._small[i] for i in chosen], THUMBNAIL_PX)


def cut_still(
    rgb: Frame, stretch: Stretch, source: Source, labeller: Labeller, settings: PrepareSettings
) -> Cut | Rejection:
    """Sample of one face of a picture, or its rejection."""
    place = _Place(source=source, stretch=stretch, fps=Fraction(1))
    crop = cut_square(rgb, stretch.crop)
    labelled = labeller.measure([crop], mesh_in_crop(stretch.meshes_px, stretch.crop))
    score, sharp = float(labelled.geometry.score[0]), sharpness(crop, labelled.geometry.mesh_px[0].numpy())
    fault = None
    if stretch.fault or stretch.outside > settings.max_share_outside:
        fault = "outside", "the face is cut by the border" if stretch.fault else f"{stretch.outside:.0%} of the crop"
    elif stretch.face_px < settings.min_face_px:
        fault = "small", f"{stretch.face_px:.0f} px, need {settings.min_face_px}"
    elif score < settings.min_score:
        fault = "uncertain", f"score {score:.2f}, need {settings.min_score:g}"
    elif sharp < settings.min_sharpness:
        fault = "blurred", f"sharpness {sharp:.2f}, need {settings.min_sharpness:g}"
    strip = encode_strip([crop], THUMBNAIL_PX)
    if fault is not None:
        rejection = dataclasses.replace(place.reject(*fault, 0, 1), start_s=None, end_s=None)
        return Cut(files={"jpg": strip}, facts={"rejected": dataclasses.asdict(rejection)})
    facts = sample_facts(labelled.geometry, labelled.embedding, source, stretch.face_px, sharp)
    facts |= {"frames": 1, "crop_px": stretch.crop.box_px, "track": stretch.person, "synthetic": 0}
    arrays = still_arrays(labelled.geometry, labelled.embedding, labeller.parse([crop]))
    return Cut(files={"png": encode_still(crop), "npz": encode_arrays(arrays), "jpg": strip}, facts=facts)


def sample_facts(
    geometry: FaceGeometry, embedding: np.ndarray, source: Source, face_px: float, sharp: float
) -> dict[str, Any]:
    """Facts of every sample, without its position in the source."""
    yaw = yaw_deg(geometry)
    mean = embedding.astype(np.float64).mean(0)
    return {
        "origin": source.origin,
        "face_px_in_source": round(face_px),
        "yaw_min": round(float(yaw.min()), 1) + 0.0,  # avoids -0.0
        "yaw_max": round(float(yaw.max()), 1) + 0.0,
        "labels": source.labels,
        "known_person": source.person,
        "yaw_histogram": yaw_histogram(yaw),
        "turned": turned_counts(yaw),
        "sharpness": round(sharp, 3),
        "mean_embedding": base64.b64encode(mean.astype(np.float32).tobytes()).decode(),
    }


def cut_square(rgb: Frame, crop: Crop) -> Frame:
    """(256, 256, 3): the crop of a frame; border pixels are repeated outside the frame."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = crop.box_px
    inside = rgb[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    if inside.shape[:2] != (crop.side, crop.side):
        edges = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
        inside = cv2.copyMakeBorder(np.ascontiguousarray(inside), *edges, borderType=cv2.BORDER_REPLICATE)
    shrinks = crop.side > CROP_PX
    return cv2.resize(
        np.ascontiguousarray(inside),
        (CROP_PX, CROP_PX),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
    )


def mesh_in_crop(meshes_px: np.ndarray, crop: Crop) -> np.ndarray:
    """Meshes from frame pixels to crop pixels; z is scaled likewise."""
    return ((meshes_px - np.array([crop.x0, crop.y0, 0])) * (CROP_PX / crop.side)).astype(np.float32)
