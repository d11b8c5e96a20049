"""What is left out, and why: one word for each reason, counted in the report and listed in rejected.csv."""

import dataclasses

import cv2
import numpy as np

REASONS = {
    "unreadable": "the file cannot be read",
    "no face": "nobody was found in the file",
    "small": "the face is too small in the original",
    "outside": "the face or its crop reaches too far over the border of the picture",
    "uncertain": "the tracker or the teacher is not sure of the face",
    "short": "too few frames in a row",
    "blurred": "the face is not sharp",
    "identity": "the person changes in the middle of the stretch",
    "other person": "somebody else than the folder or table says",
}

SHARPNESS_FACE_PX = 128
"""Side at which a face's sharpness is measured, whatever its size."""
_WINDOW_PX = 9
_MIN_SIDE = 4
"""Frames on each side of a change of person."""
_DIFFERENT_PERSON = 0.35
"""Similarity of the mean embeddings before and after it: halves of one clip are above 0.68 in 99 of 100, two people
below 0.37 in 99 of 100."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rejection:
    """Some frames, or a whole file, that are not in the set."""

    origin: str
    reason: str
    """A key of `REASONS`."""
    detail: str
    """The measured value and the wanted one, or the error."""
    start_s: float | None = None
    """None for a whole file."""
    end_s: float | None = None
    frames: int = 0
    thumbnail: str = ""
    """Key of a sample that holds a picture of it, if there is one."""

    def __post_init__(self) -> None:
        assert self.reason in REASONS, self.reason


def sharpness(rgb: np.ndarray, mesh_px: np.ndarray) -> float:
    """How much of a face's fine change of brightness a blur would take away, 0 to 1.

    A sharp picture loses much of it, a blurred one little, whatever its contrast (Crete et al., "The blur effect:
    perception and estimation with a new no-reference perceptual blur metric", 2007).

    Args:
        rgb: (H, W, 3) uint8.
        mesh_px: (478, d) mesh in it.
    """
    height, width = rgb.shape[:2]
    low = np.clip(np.floor(mesh_px[:, :2].min(0)).astype(int), 0, [width - 8, height - 8])
    high = np.clip(np.ceil(mesh_px[:, :2].max(0)).astype(int), low + 8, [width, height])
    grey = cv2.cvtColor(np.ascontiguousarray(rgb[low[1] : high[1], low[0] : high[0]]), cv2.COLOR_RGB2GRAY)
    face = cv2.resize(grey, (SHARPNESS_FACE_PX,) * 2, interpolation=cv2.INTER_AREA).astype(np.float32)
    losses = []
    for axis in (0, 1):
        window = (1, _WINDOW_PX) if axis == 0 else (_WINDOW_PX, 1)
        change = np.abs(np.diff(face, axis=axis))
        blurred = np.abs(np.diff(cv2.blur(face, window), axis=axis))
        losses.append(float(np.maximum(change - blurred, 0).sum() / max(float(change.sum()), 1e-6)))
    return min(losses)


def person_changes(embedding: np.ndarray) -> float | None:
    """Similarity of the people before and after the moment where a stretch changes most.

    Args:
        embedding: (T, e) unit length.

    Returns:
        None where both are the same person, as far as can be told.
    """
    count = len(embedding)
    if count < 2 * _MIN_SIDE:
        return None
    total = np.cumsum(embedding.astype(np.float64), axis=0)
    before = total[_MIN_SIDE - 1 : count - _MIN_SIDE]
    after = total[-1] - before
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    lowest = float(((before * after).sum(1) / np.maximum(lengths, 1e-9)).min())
    return lowest if lowest < _DIFFERENT_PERSON else None
