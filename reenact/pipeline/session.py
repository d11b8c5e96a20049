"""A source that is opened once and redrawn by hand as often as one likes: framed pictures, previews, clips."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from reenact.errors import ConfigError
from reenact.media import Picture, VideoWriter
from reenact.pipeline.animate import to_frames
from reenact.pipeline.crop import SMALLEST_PX
from reenact.pipeline.engine import Engine
from reenact.pipeline.paste import PasteBack
from reenact.pipeline.progress import Progress, ShouldStop, stop_checker
from reenact.pipeline.results import COMMENT, VideoResult, size_of
from reenact.pipeline.source import PictureLike, Source, open_picture
from reenact.systems.base import Reenactor
from reenact.types import Frame

_LONGEST_S, _HIGHEST_FPS = 60.0, 120


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """A redrawn source, framed as results are."""

    rgb: Frame
    changed: Float[np.ndarray, "s s"] | None
    """`Rendered.changed`; None where nothing was redrawn."""


class FaceSession:
    """One face, ready to be redrawn any number of times."""

    warnings: tuple[str, ...]
    """One line each, for the user."""

    def __init__(self, source: Source, picture: Picture, *, system: Reenactor[Any, Any, Any], paste_back: bool) -> None:
        """Get ready.

        Args:
            source: tracked and encoded.
            picture: the same, with its transparency.
            system: that encoded it.
            paste_back: results are whole source pictures; else the square around the face.
        """
        self._source, self._picture, self._paste_back = source, picture, paste_back
        self._renderer = system
        self.warnings = source.warnings
        crop_from_frame = source.image.crop_from_frame[0].cpu()
        self._paste = PasteBack(source.frame, crop_from_frame, source.crop_px) if paste_back else None

    @property
    def still(self) -> Frame:
        """The source, framed as results are."""
        return self._source.turned_back(
            self._source.frame if self._paste_back else to_frames(self._source.image.rgb)[0]
        )

    def _still(self, preview: bool) -> Frame:
        return self._source.turned_back(to_frames(self._source.identity.rgb)[0]) if preview else self.still

    def _alpha(self, preview: bool) -> np.ndarray | None:
        """The source's transparency, where the result is the whole picture."""
        return self._picture.alpha if self._paste_back and not preview else None

    @torch.inference_mode()
    def _redraw(self, drive: Callable[[Any], Any], *, preview: bool) -> Shown:
        """The source doing what `drive` makes of its identity; a preview is the crop at the network's side."""
        identity = self._source.identity
        if preview:
            identity = dataclasses.replace(identity, native_rgb=identity.rgb)
        rendered = self._renderer.render(identity, drive(identity))
        crop, changed = to_frames(rendered.rgb)[0], rendered.changed[0, 0].float().cpu().numpy()
        rgb = crop if preview or self._paste is None else self._paste(crop, changed)
        return Shown(rgb=self._source.turned_back(rgb), changed=changed)


def open_face(
    source: PictureLike,
    *,
    engine: Engine,
    face: int | None,
    min_face_score: float,
    max_crop_px: int,
    paste_back: bool,
) -> tuple[Source, Picture]:
    """Find a face and encode it; a source opened before is not encoded again.

    Args:
        source: the picture.
        engine: of the system that will draw.
        face: which of several faces, from the largest, 1; the largest if None.
        min_face_score: certainty from which on something is a face.
        max_crop_px: larger faces are redrawn at this side, to save time and memory.
        paste_back: results are whole source pictures; else only the square around the face.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    picture, name = open_picture(source, "source")
    prepared = engine.sources.get(
        picture.rgb,
        system=engine.system,
        tracker=engine.tracker,
        face=face,
        min_score=min_face_score,
        smallest_px=SMALLEST_PX if paste_back else engine.system.crop.network_px,
        largest_px=max_crop_px,
        name=name,
    )
    return prepared, picture


def check_timing(seconds: float, fps: int) -> None:
    """Refuse a clip that cannot be.

    Raises:
        ConfigError: no length, too long, or no frames.
    """
    if not 0 < seconds <= _LONGEST_S:
        raise ConfigError(f"The clip is to last {seconds:g} s; it takes more than 0 and up to {_LONGEST_S:g} s.")
    if not 1 <= fps <= _HIGHEST_FPS:
        raise ConfigError(f"The clip is to have {fps} frames a second; it takes 1 to {_HIGHEST_FPS}.")


def count_frames(seconds: float, fps: int) -> int:
    """Frames of a clip: two at least, its ends."""
    return max(round(seconds * fps), 2)


def write_drawn(
    out: pathlib.Path,
    frames: Iterable[Frame],
    *,
    still: Frame,
    count: int,
    fps: int,
    overwrite: bool,
    progress: Progress,
    should_stop: ShouldStop,
    warnings: tuple[str, ...],
) -> VideoResult:
    """A clip of frames that are drawn as it is written; it appears complete or not at all.

    Args:
        out: where to.
        frames: all of the size of `still`.
        still: the source.
        count: how many frames there will be.
        fps: frames a second.
        overwrite: whether an existing file may be replaced.
        progress: told of every frame.
        should_stop: asked before every frame.
        warnings: for the result.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    check, drawn = stop_checker(should_stop), iter(frames)
    width, height = size_of(still)
    writer = VideoWriter(out, width=width, height=height, fps=Fraction(fps), overwrite=overwrite, comment=COMMENT)
    with writer:
        for index in range(count):
            check()
            writer.write(next(drawn))
            progress(index + 1, count, "frames")
    return VideoResult(
        path=out,
        width=width,
        height=height,
        fps=Fraction(fps),
        frame_count=writer.frame_count,
        missing=(),
        warnings=warnings,
    )
