"""The person cut out of a picture, and another background behind."""

import dataclasses
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from reenact.pipeline.animate import to_frames
from reenact.pipeline.source import Source, open_picture
from reenact.types import Frame


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cutout:
    """Who is in front, in pictures framed like one source."""

    width: int
    height: int

    def background(self, chosen: Any) -> Frame | None:
        """The background at this size; None for "none"."""
        if isinstance(chosen, str) and chosen == "none":
            return None
        return cover(open_picture(chosen, "background")[0].rgb, self.width, self.height)

    def replace(
        self, rgb: Frame, foreground: np.ndarray | None, behind: Frame | None
    ) -> tuple[Frame, UInt8[np.ndarray, "height width"]]:
        """The person before another background, and their matte."""
        matte = np.ones(rgb.shape[:2], np.float32)
        if behind is not None:
            rgb = np.rint(behind + matte[..., None] * (rgb.astype(np.float32) - behind)).astype(np.uint8)
        return rgb, np.rint(matte * 255).astype(np.uint8)


def open_cutout(source: Source, *, preview_px: int | None, whole: bool) -> Cutout:
    """Find the person."""
    if preview_px is not None:
        return Cutout(width=preview_px, height=preview_px)
    frame = source.frame if whole else to_frames(source.image.rgb)[0]
    return Cutout(width=frame.shape[1], height=frame.shape[0])


def cover(picture: Frame, width: int, height: int) -> Frame:
    """Scaled until it covers `width` x `height`, the middle of it."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = max(round(picture.shape[1] * scale), width), max(round(picture.shape[0] * scale), height)
    if size != (picture.shape[1], picture.shape[0]):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])
