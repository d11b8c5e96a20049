"""Decoded video frames to upright RGB arrays with square pixels."""

import struct
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from jaxtyping import UInt8

from reenact.media.frame import Frame
from reenact.media.hdr import TRANSFERS, to_srgb

_BT709_FROM_HEIGHT = 720
_BT2020 = 9  # PyAV has no name for it
_UNSPECIFIED_COLORSPACES = (0, 2)
Quarter = tuple[int, int, int, int]
_QUARTERS: tuple[Quarter, ...] = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
"""Display matrices of 0, 90, 180 and 270 degrees, counter-clockwise."""


class UprightReader:
    """Converts the frames of one stream; keeps the scaler between frames."""

    def __init__(self, first: VideoFrame, pixel_aspect: Fraction | None) -> None:
        self._scaler = VideoReformatter()
        self._turn = display_turn(first)
        aspect = pixel_aspect if pixel_aspect and Fraction(1, 4) <= pixel_aspect <= 4 else Fraction(1)
        # the coded size is kept for every frame: some streams change it midway
        self._stored_size = (max(1, round(first.width * aspect)), first.height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the arrays."""
        width, height = self._stored_size
        return (width, height) if self._turn[0] else (height, width)

    def rgb(self, frame: VideoFrame) -> Frame:
        """The frame as upright RGB."""
        width, height = self._stored_size
        transfer = TRANSFERS.get(frame.color_trc)
        untagged = frame.colorspace in _UNSPECIFIED_COLORSPACES
        # the rule of every player where the file does not say: SD is BT.601, HD is BT.709
        guess = Colorspace.ITU709 if frame.height >= _BT709_FROM_HEIGHT else Colorspace.ITU601
        guess = _BT2020 if transfer else guess
        converted = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=guess if untagged else None,
            threads=1,
        )
        rgb = converted.to_ndarray()
        return np.ascontiguousarray(turned(to_srgb(rgb, transfer) if transfer else rgb, self._turn))


def display_turn(frame: VideoFrame) -> Quarter:
    """The display matrix as (a, b, c, d), each -1, 0 or 1: x' = a x + c y, y' = b x + d y.

    Angles between the quarter turns are rounded to the nearest one.
    """
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV lists all entries of the frame, and its table lacks newer types, such as Exif
        # without mirroring, which this property does not tell
        return _QUARTERS[round(frame.rotation / 90) % 4]
    if matrix is None:
        return (1, 0, 0, 1)
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def turned(rgb: Frame, turn: Quarter) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """Applies a quarter turn or mirror to a picture."""
    a, b, c, d = turn
    if a:
        return rgb[::d, ::a]
    return rgb.swapaxes(0, 1)[::b, ::c]
