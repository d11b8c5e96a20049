"""A motion template as a driver."""

import pathlib
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import torch

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.media import Trim
from reenact.media.frame import Frame
from reenact.media.video_reader import VideoInfo
from reenact.pipeline.driving import Driving, DrivingClip, Following, TrackedFrame, missing_face
from reenact.pipeline.motions.library import LIBRARY, SUFFIX, find_motion, library_names, motion_text
from reenact.pipeline.motions.template import MotionTemplate, read_template
from reenact.pipeline.neutral import choose_reference
from reenact.pipeline.shots import Driver, ShotReader
from reenact.portrait.painters import DrivingFaces
from reenact.types import FaceGeometry


def describe_library() -> list[str]:
    """A line for each of them: name, length, rate."""
    lines: list[str] = []
    for name in library_names():
        template = read_template(LIBRARY / f"{name}{SUFFIX}")
        seconds = float(template.frame_count / template.fps)
        lines.append(f"{name:10} {seconds:.1f} s, {float(template.fps):.4g} frames a second")
    return lines


def open_driving(
    driving: str | pathlib.Path | MotionTemplate, *, fps: Fraction | None = None, trim: Trim | None = None
) -> Driving:
    """A clip, or a template by its file or its name, as a driver.

    Args:
        driving: the clip or template.
        fps: frames a second; its own if None.
        trim: part of it that drives; all of it if None.

    Raises:
        UnsupportedInputError: it cannot be read.
    """
    if isinstance(driving, MotionTemplate):
        return DrivingTemplate(driving, pathlib.Path(driving.name), fps=fps, trim=trim)
    path = find_motion(driving)
    if path.suffix.lower() == SUFFIX:
        return DrivingTemplate(read_template(path), pathlib.Path(motion_text(path)), fps=fps, trim=trim)
    return DrivingClip(path, fps=fps, trim=trim)


def count_frames(
    driving: str | pathlib.Path | MotionTemplate, *, fps: Fraction | None = None, trim: Trim | None = None
) -> int:
    """Frames that a driver declares, 1 or more; see `open_driving`."""
    with open_driving(driving, fps=fps, trim=trim) as opened:
        return max(opened.info.frame_count, 1)


class DrivingTemplate(Driving):
    """A template as a driver. How the face was found and filtered was settled when it was made."""

    reason = "The template has no face there."

    def __init__(
        self,
        template: MotionTemplate,
        path: pathlib.Path,
        *,
        fps: Fraction | None = None,
        trim: Trim | None = None,
    ) -> None:
        """Play a template.

        Args:
            template: the motion.
            path: named in messages.
            fps: frames a second; its own if None. Frames are repeated or left out, so that the speed stays.
            trim: part of the motion; all of it if None.
        """
        self._template, self.path = template, path
        rate = fps or template.fps
        count = max(round(template.frame_count * rate / template.fps), 1)
        trim = trim or Trim()
        trim.length_s(count / rate, path)
        end = count if trim.end_s is None else min(round(trim.end_s * rate), count)
        self._begin = min(round(trim.begin_s * rate), count - 1)
        slots = range(self._begin, max(end, self._begin + 1))
        self._own = [min(int(index * template.fps / rate), template.frame_count - 1) for index in slots]
        count = len(self._own)
        self.info = VideoInfo(
            width=template.width,
            height=template.height,
            fps=rate,
            frame_count=count,
            duration_s=float(count / rate),
            has_audio=False,
        )

    def close(self) -> None:
        """See `Driving`; the file was read at once."""

    def start(self, following: Following) -> None:
        """See `Driving`."""
        if following.face is not None:
            raise ConfigError(f"{self.path} is a motion template with one face; a driving face cannot be chosen.")
        template, self._following = self._template, following
        number = following.neutral_frame
        chosen = None if number is None else self._neutral_face(number)

        def find_reference(first: int) -> FaceGeometry | None:
            shot = self._shot(first)
            if number is not None and shot == self._shot(self._own[number]):
                return chosen
            rows = (template.rest_shots == shot).nonzero()[:, 0].tolist()
            found = [template.rest[slice(row, row + 1)] for row in rows]
            return choose_reference(found, system=following.system, mode=following.mode, chosen=chosen)

        self._shots = ShotReader(find_reference, (template.width, template.height))

    def frames(
        self,
        *,
        show: Callable[[Frame, FaceGeometry], DrivingFaces],
        keep: Callable[[Frame], Frame] | None = None,
        stop_without_face: bool = False,
    ) -> Iterator[TrackedFrame]:
        """See `Driving`; `show` is not called.

        Raises:
            ConfigError: pictures of the driver were asked for.
        """
        if keep is not None:
            raise ConfigError(f"{self.path} is a motion template without pictures; it cannot be shown side by side.")
        return self._frames(stop_without_face)

    def _frames(self, stop_without_face: bool) -> Iterator[TrackedFrame]:
        for index, own in enumerate(self._own):
            self._following.check()
            row = self._row(own)
            if row is None and stop_without_face:
                raise missing_face(index, self.path, self.reason)
            geometry, driver = (None, None) if row is None else self._driver(index, own, row)
            yield TrackedFrame(index=index, frame=None, geometry=geometry, driver=driver)

    def _driver(self, index: int, own: int, row: int) -> tuple[FaceGeometry, Driver]:
        template = self._template
        geometry = template.faces[slice(row, row + 1)]
        self._shots.start(geometry, int(template.shots[self._shot(own)]))
        return geometry, self._shots.read_face(index, geometry, template.hidden[row].bool())

    def _row(self, own: int) -> int | None:
        """Index of a frame's face in the template."""
        frames = self._template.frames
        row = int(torch.searchsorted(frames, own))
        return row if row < len(frames) and int(frames[row]) == own else None

    def _shot(self, own: int) -> int:
        """Index of the shot that a frame is in."""
        return max(int(torch.searchsorted(self._template.shots, own, right=True)) - 1, 0)

    def check_neutral(self, number: int | None) -> None:
        """See `Driving`."""
        if number is not None:
            self._neutral_face(number)

    def _neutral_face(self, number: int) -> FaceGeometry:
        if number >= len(self._own):
            raise ConfigError(
                f"Neutral frame {number} was asked for, but {self.path} ends with frame {len(self._own) - 1}."
            )
        row = self._row(self._own[number])
        if row is None:
            raise NoFaceFoundError(f"{self.path} has no face in frame {number}; choose another neutral frame.")
        return self._template.faces[slice(row, row + 1)]

    def notes(self) -> tuple[str, ...]:
        """See `Driving`."""
        template = self._template
        cuts = [int(np.ceil(float(first * self.info.fps / template.fps))) for first in template.shots.tolist()[1:]]
        cuts = [cut - self._begin for cut in cuts if 0 < cut - self._begin < len(self._own)]
        return self._shots.notes(cuts, self.info.fps, self.path)
