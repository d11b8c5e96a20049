"""What drives a source: the faces of a clip, tracked while it is read."""

import abc
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any

from torch import nn

from reenact.errors import Hint, NoFaceFoundError, Note
from reenact.media import Trim, VideoReader
from reenact.media.frame import Frame
from reenact.media.video_reader import VideoInfo
from reenact.perception.tracking import Tracker
from reenact.perception.video import VideoTracker
from reenact.pipeline.looks import driving_warnings, expect_face
from reenact.pipeline.neutral import ReferenceFinder
from reenact.pipeline.results import frame_ranges
from reenact.pipeline.shots import Driver, ShotReader
from reenact.portrait.painters import DrivingFaces
from reenact.systems.base import MotionMode, Reenactor
from reenact.types import FaceGeometry


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrackedFrame:
    """A frame of a driver and the face in it."""

    index: int
    frame: Frame | None
    """None unless it was asked for."""
    geometry: FaceGeometry | None
    """f = 1, frame pixels; None if no face was found."""
    driver: Driver | None = None
    """The face as it drives, if it was asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Following:
    """How the driver's face is found and what it drives."""

    system: Reenactor[Any, Any, Any]
    mode: MotionMode
    tracker: Tracker
    hidden: nn.Module | None = None
    """See `Engine.hidden`."""
    neutral_frame: int | None = None
    """Number of the neutral frame, from 0; chosen if None."""
    face: int | None = None
    """Number of the face in the first frame with one, 1 is the largest; the largest if None."""
    min_score: float = 0.5
    """Certainty, 0 to 1, from which on a detection counts as a face."""
    smoothing: float | bool = 1.0
    """How much the tracker's jitter is filtered; see `VideoTracker`."""
    check: Callable[[], None] = lambda: None
    """Called before every frame; raises to end the work."""


class Driving(abc.ABC):
    """A stream of driving faces; a context manager that frees its files."""

    path: pathlib.Path
    """Named in messages."""
    info: VideoInfo
    reason: str = ""
    """Why the last frame had no face; "" if it had one."""

    def __enter__(self) -> "Driving":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None:
        """Free the files."""

    @abc.abstractmethod
    def check_neutral(self, number: int | None) -> None:
        """Refuse a neutral frame that is known to be missing, before anything slow.

        Raises:
            ConfigError: there is no such frame.
            NoFaceFoundError: it has no face.
        """

    @abc.abstractmethod
    def start(self, following: Following) -> None:
        """Expect a face, and find the neutral frame if one was chosen.

        Raises:
            NoFaceFoundError: no face, or none in the neutral frame.
            ConfigError: there is no such frame.
        """

    @abc.abstractmethod
    def frames(
        self,
        *,
        show: Callable[[Frame, FaceGeometry], DrivingFaces],
        keep: Callable[[Frame], Frame] | None = None,
        stop_without_face: bool = False,
    ) -> Iterator[TrackedFrame]:
        """All frames in order, once, after `start`.

        Args:
            show: makes the small crop of a face.
            keep: makes `TrackedFrame.frame` from a frame; frames are not kept if None.
            stop_without_face: whether the first frame without a face is an error.

        Raises:
            NoFaceFoundError: a frame without a face, if that is an error.
        """

    @abc.abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What was noticed about the face, after all frames have been read."""

    def damage(self) -> Iterator[str]:
        """What could not be read, after all frames have been read."""
        return iter(())


class DrivingClip(Driving):
    """A clip as a driver. It is opened twice: once to draw, once to look ahead for the references."""

    def __init__(self, path: str | pathlib.Path, *, fps: Fraction | None = None, trim: Trim | None = None) -> None:
        """Open the clip.

        Args:
            path: of the file.
            fps: rate at which frames are read; the clip's own if None.
            trim: part of the clip that drives; all of it if None.

        Raises:
            UnsupportedInputError: see `VideoReader`.
        """
        self._reader = VideoReader(path, fps=fps, trim=trim)
        self._ahead = VideoReader(path, fps=fps, trim=trim)
        self.path, self.info = pathlib.Path(path), self._reader.info

    def close(self) -> None:
        """See `Driving`."""
        self._reader.close()
        self._ahead.close()

    def check_neutral(self, number: int | None) -> None:
        """See `Driving`; the frames of a clip are known only when they have been read."""

    def start(self, following: Following) -> None:
        """See `Driving`."""
        finding: dict[str, Any] = {
            "tracker": following.tracker,
            "face": following.face,
            "min_score": following.min_score,
        }
        expect_face(self._ahead, check=following.check, **finding)
        finder = ReferenceFinder(
            self._ahead,
            system=following.system,
            mode=following.mode,
            number=following.neutral_frame,
            check=following.check,
            **finding,
        )
        self._following, self._shots = following, ShotReader(finder.find, (self.info.width, self.info.height))
        fps = float(self.info.fps)
        self._tracker = VideoTracker(
            following.tracker, fps, following.smoothing, face=following.face, min_score=following.min_score
        )

    def frames(
        self,
        *,
        show: Callable[[Frame, FaceGeometry], DrivingFaces],
        keep: Callable[[Frame], Frame] | None = None,
        stop_without_face: bool = False,
    ) -> Iterator[TrackedFrame]:
        """See `Driving`."""
        hidden = self._following.hidden

        def read(index: int, frame: Frame, geometry: FaceGeometry, first: int) -> Driver:
            self._shots.start(geometry, first)
            return self._shots.read_picture(index, frame, geometry, show, hidden)

        reading: dict[str, Any] = {"stop_without_face": stop_without_face, "keep": keep, "read": read}
        for tracked in track_clip(self._reader, self._tracker, check=self._following.check, **reading):
            self.reason = self._tracker.reason
            yield tracked

    def notes(self) -> tuple[str, ...]:
        """See `Driving`."""
        return (
            *driving_warnings(self._tracker.warnings, self.path),
            *self._shots.notes(self._tracker.cuts, self.info.fps, self.path),
        )

    def damage(self) -> Iterator[str]:
        """See `Driving`."""
        return damage_warnings(self._reader)


def track_clip(
    reader: VideoReader,
    tracker: VideoTracker,
    *,
    stop_without_face: bool = False,
    keep: Callable[[Frame], Frame] | None = None,
    read: Callable[[int, Frame, FaceGeometry, int], Driver | None] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Iterator[TrackedFrame]:
    """Follow the face through a clip.

    Args:
        reader: of the clip.
        tracker: of this clip alone.
        stop_without_face: whether the first frame without a face is an error.
        keep: makes `TrackedFrame.frame` from the frame; frames are not kept if None.
        read: makes `TrackedFrame.driver` from the frame's number, the frame, the face in it, and the number of the
            first frame of its shot.
        check: called before every frame; raises to end the work.

    Raises:
        NoFaceFoundError: a frame without a face, if that is an error.
    """
    for index, frame in enumerate(reader):
        check()
        geometry = tracker.update(frame)
        if geometry is None and stop_without_face:
            raise missing_face(index, reader.path, tracker.reason)
        first = tracker.cuts[-1] if tracker.cuts else 0
        driver = None if read is None or geometry is None else read(index, frame, geometry, first)
        kept = None if keep is None else keep(frame)
        yield TrackedFrame(index=index, frame=kept, geometry=geometry, driver=driver)


def by_shot(frames: Iterable[TrackedFrame]) -> Iterator[tuple[list[TrackedFrame], Driver | None]]:
    """Successive frames of one shot, with their drivers as one; None for frames without a face."""

    def shot(tracked: TrackedFrame) -> int | None:
        return None if tracked.driver is None else id(tracked.driver.neutral)

    for _, group in itertools.groupby(frames, key=shot):
        part = list(group)
        drivers = [each.driver for each in part if each.driver is not None]
        yield part, Driver.cat(drivers) if drivers else None


def missing_face(index: int, path: pathlib.Path, reason: str) -> NoFaceFoundError:
    """The error for a frame without a face, where that is one."""
    return NoFaceFoundError(
        f"Frame {index} of {path}: {reason or 'No face found.'} Or let such frames be held or skipped.",
        hint=Hint.MISSING_FACE,
    )


def damage_warnings(reader: VideoReader) -> Iterator[Note]:
    """What of a clip could not be decoded, after it has been read."""
    if reader.damaged:
        frames = [frame for first, end in reader.damaged for frame in range(first, end)]
        yield Note(f"{reader.path}: frames {frame_ranges(frames)} are damaged; the picture before was held.")
    if reader.cut_short_s:
        held_s, declared_s = reader.cut_short_s
        yield Note(f"{reader.path} was cut short: it holds {held_s:.1f} s of {declared_s:.1f} s; copy it again.")
