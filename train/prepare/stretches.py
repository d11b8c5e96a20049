"""Splits the frames of one person into stretches that fit one fixed crop.

A stretch ends when the head would leave the crop or its size changes too much. The crop is placed when the stretch is
complete, so that it contains the whole movement.
"""

import dataclasses

import numpy as np

from train.prepare.following import Sighting

_ABOVE, _BESIDE, _BELOW = 0.22, 0.10, 0.06
"""Margins around the mesh that must lie in the crop, in face sizes: hair, ears, chin."""
_SMALLEST, _LARGEST = 0.62, 1.6
"""Allowed size of a face divided by the median of the stretch."""
_TIGHTEST = 1.6
"""Smallest side of a crop in face sizes; crops shrink to this to stay inside a small picture."""
_SHIFT_UP = 0.03
"""The crop's centre lies this share of its side above the face's, as in the crops of the systems."""
MAX_FACE_OUTSIDE = 0.12
"""Frames with a larger share of the mesh outside the picture are not used."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crop:
    """A square in whole pixels of the frame; parts may lie outside the frame."""

    x0: int
    y0: int
    side: int

    def share_outside(self, size: tuple[int, int]) -> float:
        """Share of the area outside a frame of `size` (width, height)."""
        inside = [
            max(min(start + self.side, limit) - max(start, 0), 0)
            for start, limit in zip((self.x0, self.y0), size, strict=True)
        ]
        return 1 - inside[0] * inside[1] / self.side**2

    @property
    def box_px(self) -> list[int]:
        """x0, y0, x1, y1."""
        return [self.x0, self.y0, self.x0 + self.side, self.y0 + self.side]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """Consecutive frames of one person, numbered by their slots."""

    person: int
    first_slot: int
    meshes_px: np.ndarray
    """(T, 478, 3) float32, frame pixels."""
    crop: Crop
    face_px: float
    """Median size of the face in the frame."""
    outside: float
    """Share of the crop outside the picture."""
    fault: str = ""
    """A reason of `filters.REASONS` if the frames cannot be used."""

    def __len__(self) -> int:
        return len(self.meshes_px)

    @property
    def end_slot(self) -> int:
        """Slot after the last frame."""
        return self.first_slot + len(self)


class StretchBuilder:
    """Collects the frames of one person into stretches."""

    def __init__(self, size: tuple[int, int], *, crop_scale: float, max_frames: int) -> None:
        """Start a person.

        Args:
            size: width and height of the frames.
            crop_scale: side of the crop over the size of the face.
            max_frames: longest stretch.
        """
        self._size, self._scale, self._max_frames = size, crop_scale, max_frames
        self._sightings: list[Sighting] = []
        self._needed = np.zeros((0, 4))
        self._sizes: list[float] = []
        self.first_slot = 0

    def add(self, slot: int, sighting: Sighting) -> Stretch | None:
        """Add the person's next frame.

        Returns:
            The previous stretch if this frame does not fit into it and starts a new one.
        """
        closed = None
        needed, size = needed_box(sighting.mesh_px)
        if self._sightings and not self._fits(sighting, needed, size):
            closed = self.close()
        if not self._sightings:
            self.first_slot = slot
        self._sightings.append(sighting)
        self._sizes.append(size)
        self._needed = np.concatenate([self._needed, needed[None]])
        return closed

    def close(self) -> Stretch | None:
        """End the current stretch; None if it has no frames."""
        if not self._sightings:
            return None
        size = float(np.median(self._sizes))
        crop = place_crop(_union(self._needed), self._face_centre(), size, self._size, self._scale)
        stretch = Stretch(
            person=self._sightings[0].person,
            first_slot=self.first_slot,
            meshes_px=np.stack([sighting.mesh_px for sighting in self._sightings]),
            crop=crop,
            outside=crop.share_outside(self._size),
            face_px=size,
            fault="outside" if self._is_cut(self._sightings[0]) else "",
        )
        self._sightings, self._sizes, self._needed = [], [], np.zeros((0, 4))
        return stretch

    def _fits(self, sighting: Sighting, needed: np.ndarray, size: float) -> bool:
        if len(self._sightings) >= self._max_frames or self._is_cut(sighting) != self._is_cut(self._sightings[0]):
            return False
        median = float(np.median(self._sizes))
        if not _SMALLEST < size / median < _LARGEST:
            return False
        union = _union(np.concatenate([self._needed, needed[None]]))
        return bool((union[2:] - union[:2]).max() <= crop_side(median, self._size, self._scale))

    def _face_centre(self) -> np.ndarray:
        meshes = np.stack([sighting.mesh_px[:, :2] for sighting in self._sightings])
        return np.median((meshes.min(1) + meshes.max(1)) / 2, axis=0)

    @staticmethod
    def _is_cut(sighting: Sighting) -> bool:
        return sighting.share_outside > MAX_FACE_OUTSIDE


def needed_box(mesh_px: np.ndarray) -> tuple[np.ndarray, float]:
    """Box of a head that a crop must contain (x0, y0, x1, y1), and the face's size: the larger side of the mesh."""
    low, high = mesh_px[:, :2].min(0).astype(np.float64), mesh_px[:, :2].max(0).astype(np.float64)
    size = float((high - low).max())
    return np.concatenate([low - [_BESIDE * size, _ABOVE * size], high + [_BESIDE * size, _BELOW * size]]), size


def crop_side(face_px: float, size: tuple[int, int], scale: float) -> float:
    """Side of a crop: `scale` faces, limited to the picture's shorter side but not below `_TIGHTEST` faces."""
    side = scale * face_px
    return max(min(side, float(min(size))), min(_TIGHTEST, scale) * face_px)


def place_crop(needed: np.ndarray, centre: np.ndarray, face_px: float, size: tuple[int, int], scale: float) -> Crop:
    """Crop that contains `needed`, if possible inside the picture, with the face near its centre."""
    side = round(max(crop_side(face_px, size, scale), float((needed[2:] - needed[:2]).max())))
    corner = np.asarray(centre) - side / 2 - [0, _SHIFT_UP * side]
    limit = np.asarray(size) - side
    corner = np.where(limit >= 0, np.clip(corner, 0, np.maximum(limit, 0)), corner)
    corner = np.clip(corner, needed[2:] - side, needed[:2])
    x0, y0 = (int(value) for value in np.round(corner))
    return Crop(x0=x0, y0=y0, side=side)


def _union(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
