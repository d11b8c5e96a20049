"""Reasons to leave frames out, counted in the report and listed in rejected.csv, and measures behind them."""

import dataclasses

import cv2
import numpy as np

REASONS = {
    "unreadable": "the file cannot be read",
    "no face": "no face was found in the file",
    "small": "the face is too small in the original",
    "outside": "too much of the face or of its crop is outside the picture",
    "uncertain": "the confidence of the tracker or teacher is too low",
    "short": "too few consecutive frames",
    "blurred": "the face is not sharp",
    "identity": "the person changes within the stretch",
    "other person": "not the person that the folder or table names",
}

SHARPNESS_FACE_PX = 128
"""Side to which a face is resized before its sharpness is measured."""
_WINDOW_PX = 9
_MIN_SIDE = 4
"""Least frames before and after a change of person."""
_DIFFERENT_PERSON = 0.35
"""Similarity of the mean embeddings before and after a frame, below which the person has changed. 99 % of clips of one
person have halves above 0.68; 99 % of pairs of people are below 0.37."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rejection:
    """Some frames, or a whole file, that are not in the set."""

    origin: str
    reason: str
    """A key of `REASONS`."""
    detail: str
    """Measured and required value, or the error."""
    start_s: float | None = None
    """None for a whole file."""
    end_s: float | None = None
    frames: int = 0
    thumbnail: str = ""
    """Key of the sample that holds its picture; "" without one."""

    def __post_init__(self) -> None:
        assert self.reason in REASONS, self.reason


def sharpness(rgb: np.ndarray, mesh_px: np.ndarray) -> float:
    """Share of a face's local brightness changes that a blur removes, 0 to 1, independent of contrast.

    A sharp picture loses more than a blurred one (Crete et al., "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric", 2007).

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
    """Lowest similarity of the mean embeddings before and after a frame, if low enough for two people.

    Args:
        embedding: (T, e) unit length.

    Returns:
        None if the stretch shows one person or is too short to tell.
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
