"""Driving frames kept in a temporary file, to be played again: memory does not grow with their number."""

import pickle
from collections.abc import Iterator
from typing import IO

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from reenact.media.frame import Frame
from reenact.pipeline.driving import TrackedFrame
from reenact.pipeline.results import to_frames
from reenact.pipeline.shots import Driver
from reenact.portrait.painters import DrivingFaces
from reenact.types import FaceGeometry

_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)


class Replay:
    """Records frames as they pass, and plays them in any order."""

    def __init__(self, file: IO[bytes]) -> None:
        """An empty recording.

        Args:
            file: an empty temporary file.
        """
        self._file = file
        self._places: list[int] = []
        self._neutrals: list[FaceGeometry] = []

    def __len__(self) -> int:
        return len(self._places)

    def record(self, frames: Iterator[TrackedFrame]) -> Iterator[TrackedFrame]:
        """The same frames."""
        for each in frames:
            self._append(each)
            yield each

    def play(self, index: int) -> TrackedFrame:
        """A frame, by its place in the recording."""
        self._file.seek(self._places[index])
        number, frame, geometry, neutral, faces = pickle.load(self._file)
        driver = None
        if geometry is not None:
            shown = None
            if faces is not None:
                rgb = torch.from_numpy(_unpack(faces[0])).permute(2, 0, 1)[None].float() / 255
                shown = DrivingFaces(rgb=rgb.to(faces[1].device), mesh_px=faces[1])
            driver = Driver(geometry=geometry, faces=shown, neutral=self._neutrals[neutral])
        kept = None if frame is None else _unpack(frame)
        return TrackedFrame(index=number, frame=kept, geometry=geometry, driver=driver)

    def _append(self, each: TrackedFrame) -> None:
        geometry = faces = None
        if each.driver is not None:
            geometry, shown = each.driver.geometry, each.driver.faces
            if not self._neutrals or self._neutrals[-1] is not each.driver.neutral:
                self._neutrals.append(each.driver.neutral)
            if shown is not None:
                faces = _pack(to_frames(shown.rgb)[0]), shown.mesh_px
        frame = None if each.frame is None else _pack(each.frame)
        self._places.append(self._file.seek(0, 2))
        pickle.dump((each.index, frame, geometry, len(self._neutrals) - 1, faces), self._file)


def _pack(picture: Frame) -> bytes:
    return cv2.imencode(".jpg", picture, _JPEG)[1].tobytes()


def _unpack(packed: bytes) -> UInt8[np.ndarray, "_ _ 3"]:
    return np.asarray(cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_COLOR), np.uint8)
