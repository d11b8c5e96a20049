"""The shots of a driving clip: each has its own reference and is turned upright as a whole."""

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, UInt8
from torch import Tensor, nn

from reenact.errors import Note
from reenact.media.frame import Frame
from reenact.pipeline.hidden import HiddenParts, find_hidden
from reenact.pipeline.source import turn_geometry, turn_quarters, turned_note, upright_quarters
from reenact.portrait.painters import DrivingFaces
from reenact.types import FaceGeometry

_MOST_NAMED = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Driver:
    """The driving face of one frame, or of several of one shot, upright."""

    geometry: FaceGeometry
    """Pixels of the turned frame."""
    faces: DrivingFaces | None
    """The face as a small crop; None where there is no picture."""
    neutral: FaceGeometry
    """The reference of this frame's shot, in the same pixels."""

    @staticmethod
    def cat(frames: "Sequence[Driver]") -> "Driver":
        """Several frames of one shot as one object; without pictures if one of them has none."""
        seen = [each.faces for each in frames if each.faces is not None]
        return Driver(
            geometry=FaceGeometry.cat([each.geometry for each in frames]),
            faces=DrivingFaces.cat(seen) if len(seen) == len(frames) else None,
            neutral=frames[0].neutral,
        )


class ShotReader:
    """Turns the frames of a driver upright and gives each the reference of its shot."""

    def __init__(self, find_reference: Callable[[int], FaceGeometry | None], size: tuple[int, int]) -> None:
        """Start with the first frame.

        Args:
            find_reference: from the number of a shot's first frame to the reference; None takes the first face.
            size: width and height of the frames.
        """
        self._find_reference, self._size = find_reference, size
        self._parts: HiddenParts | None = None
        self._first: int | None = None
        self._quarters, self.turned = 0, False
        self._neutral: FaceGeometry | None = None

    def start(self, geometry: FaceGeometry, first: int) -> None:
        """Begin another shot if frame `first` does; `geometry` is the first face in it."""
        if self._neutral is None or first != self._first:
            reference = self._find_reference(first) or geometry
            self._first, self._quarters = first, upright_quarters(reference)
            self._neutral = turn_geometry(reference, self._quarters, self._size)
            self.turned |= self._quarters != 0
            if self._parts is not None:
                self._parts.start_shot(self._neutral)

    def upright(self, frame: Frame, geometry: FaceGeometry) -> tuple[UInt8[np.ndarray, "_ _ 3"], FaceGeometry]:
        """A frame and the face in it, turned as this shot is."""
        return turn_quarters(frame, geometry, self._quarters)

    def read_picture(
        self,
        index: int,
        frame: Frame,
        geometry: FaceGeometry,
        show: Callable[[Frame, FaceGeometry], DrivingFaces],
        network: nn.Module | None = None,
    ) -> Driver:
        """The driver in the next frame of a clip.

        Args:
            index: of the frame.
            frame: as it was filmed.
            geometry: of the face in it.
            show: makes the small crop of a face.
            network: a `HiddenNetwork`, which finds hidden parts.
        """
        turned, upright = self.upright(frame, geometry)
        faces = show(turned, upright)
        return self._held(index, upright, None if network is None else find_hidden(network, faces), faces)

    def read_face(self, index: int, geometry: FaceGeometry, hidden: Bool[Tensor, "3"] | None) -> Driver:
        """The driver in a frame whose face is known, and of `HIDDEN_PARTS` those that are hidden in it."""
        return self._held(index, turn_geometry(geometry, self._quarters, self._size), hidden)

    def _held(
        self, index: int, upright: FaceGeometry, hidden: Bool[Tensor, "3"] | None, faces: DrivingFaces | None = None
    ) -> Driver:
        assert self._neutral is not None
        if hidden is not None:
            if self._parts is None:
                self._parts = HiddenParts()
                self._parts.start_shot(self._neutral)
            upright, faces = self._parts.hold(index, upright, hidden, faces)
        return Driver(geometry=upright, faces=faces, neutral=self._neutral)

    def notes(self, cuts: list[int], fps: Fraction, name: object) -> tuple[Note, ...]:
        """What was done, after the clip has been read.

        Args:
            cuts: numbers of the frames after a cut.
            fps: of the clip.
            name: of the clip.
        """
        notes = (turned_note(name),) if self.turned else ()
        if cuts:
            count = "1 cut" if len(cuts) == 1 else f"{len(cuts)} cuts"
            times = ", ".join(f"{float(cut / fps):.1f} s" for cut in cuts[:_MOST_NAMED])
            more = f" and {len(cuts) - _MOST_NAMED} more" if len(cuts) > _MOST_NAMED else ""
            notes += (Note(f"{name}: {count} ({times}{more}); the motion is measured anew after each."),)
        return notes + (() if self._parts is None else self._parts.notes(name))
