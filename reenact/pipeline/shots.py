"""The shots of a driving clip: each has its own reference and is turned upright as a whole."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction

from reenact.errors import Note
from reenact.media.frame import Frame
from reenact.pipeline.hidden import HiddenParts
from reenact.pipeline.neutral import ReferenceFinder
from reenact.pipeline.results import size_of
from reenact.pipeline.source import turn_geometry, turn_quarters, turned_note, upright_quarters
from reenact.portrait.painters import DrivingFaces
from reenact.types import FaceGeometry

_MOST_NAMED = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Driver:
    """The driving face of one frame, upright."""

    geometry: FaceGeometry
    """f = 1, pixels of the turned frame."""
    faces: DrivingFaces
    """The face as a small crop."""
    neutral: FaceGeometry
    """The reference of this frame's shot, in the same pixels."""


class ShotReader:
    """Turns the frames of a clip upright and gives each the reference of its shot."""

    def __init__(
        self,
        finder: ReferenceFinder,
        show: Callable[[Frame, FaceGeometry], DrivingFaces],
        hidden: HiddenParts | None = None,
    ) -> None:
        """Start with the first frame.

        Args:
            finder: of the clip.
            show: makes the small crop of a face.
            hidden: holds what something hides.
        """
        self._finder, self._show, self._hidden = finder, show, hidden
        self._first: int | None = None
        self._quarters, self.turned = 0, False
        self._neutral: FaceGeometry | None = None

    def __call__(self, index: int, frame: Frame, geometry: FaceGeometry, first: int) -> Driver:
        """The driver in the next frame with a face.

        Args:
            index: of the frame.
            frame: as it was filmed.
            geometry: of the face in it.
            first: number of the frame that begins its shot.
        """
        if self._neutral is None or first != self._first:
            reference = self._finder.find(first) or geometry
            self._first, self._quarters = first, upright_quarters(reference)
            self._neutral = turn_geometry(reference, self._quarters, size_of(frame))
            self.turned |= self._quarters != 0
            if self._hidden is not None:
                self._hidden.start_shot(self._neutral)
        turned, upright = turn_quarters(frame, geometry, self._quarters)
        faces = self._show(turned, upright)
        if self._hidden is not None:
            upright, faces = self._hidden.hold(index, upright, faces)
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
        return notes + (() if self._hidden is None else self._hidden.notes(name))
