"""A photo or a clip driven by a clip, frame by frame: memory does not grow with the clips' length.

decode ──▶ track ──▶ read_motion, retarget, render (in batches) ──▶ paste back ──▶ encode
"""

import contextlib
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from reenact.errors import ConfigError
from reenact.hub.loading import TrackerKind
from reenact.media import Trim, VideoWriter, check_output, kind_of
from reenact.media.frame import Frame
from reenact.media.video_writer import VIDEO_SUFFIXES
from reenact.perception.crop import LARGEST_PX
from reenact.perception.crop_box import CropBox
from reenact.pipeline.animate import Animator, Restore
from reenact.pipeline.clips.pairs import Extend, pair_frames
from reenact.pipeline.clips.source import SourceClip, SourceFrame
from reenact.pipeline.controls.driven import unit_change
from reenact.pipeline.driving import Driving, Following, TrackedFrame, by_shot
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import check_choice
from reenact.pipeline.looks import moving_note, no_face_in
from reenact.pipeline.motions.playing import open_driving
from reenact.pipeline.motions.template import MotionTemplate
from reenact.pipeline.options import WHOLE_MOTION, DrivingOptions
from reenact.pipeline.progress import Progress, ShouldStop, never, no_progress, stop_checker
from reenact.pipeline.results import SideBySide, VideoResult, fitted, frame_ranges, size_of
from reenact.pipeline.source import PictureLike, enlarged, open_picture
from reenact.provenance.origin import SYNTHETIC, Origin
from reenact.systems.base import MotionMode
from reenact.systems.catalog import DEFAULT_SYSTEM

OnMissingFace = Literal["hold", "skip", "stop"]
"""For driving frames without a face. hold: repeat the last result, before the first face the source. skip: leave the
frame out, and the sound too, which would no longer fit. stop: an error that names the frame. A source clip goes on with
the last motion instead of the last result."""

Sound = Literal["driving", "source", "none"]
"""Whose sound the result has."""

Item = TypeVar("Item")


def reenact_video(
    source: PictureLike,
    driving: str | pathlib.Path | MotionTemplate,
    out: str | pathlib.Path,
    *,
    system: str | Engine = DEFAULT_SYSTEM,
    mode: MotionMode | None = None,
    extend: Extend = "stop",
    sound: Sound | None = None,
    neutral_frame: int | None = None,
    paste_back: bool = True,
    side_by_side: bool = False,
    on_missing_face: OnMissingFace = "hold",
    smoothing: float | bool = 1.0,
    action_units: Mapping[str, float] | None = None,
    options: DrivingOptions = WHOLE_MOTION,
    face: int | None = None,
    driving_face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    crop: CropBox | None = None,
    trim: Trim | None = None,
    tracker: TrackerKind = "own",
    device: str = "auto",
    overwrite: bool = False,
    fps: Fraction | None = None,
    quality: int | None = None,
    longest_px: int | None = None,
    restore: Restore | None = None,
    upscale: int = 1,
    origin: Origin = SYNTHETIC,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> VideoResult:
    """Redraw the face of a picture or a clip with the motion of a clip.

    The result has the frame rate of the source clip; that of the driving clip if the source is a picture.

    Args:
        source: the picture or clip to redraw. Each frame of a clip is redrawn where it stands, so that body and camera
            keep their motion; frames without a face stay as they are.
        driving: the clip whose motion is transferred; or a motion template, its file, or a name of the library
            ("nod", "shake", "smile", "surprise", "talk", "wink"). A template has no sound, and neither a driving face
            nor smoothing can be chosen for it.
        out: .mp4, .mov, .mkv, .webm, .gif or .webp; the file appears complete or not at all.
        system: a system's id, or a loaded engine, which then draws (`tracker` and `device` are not used).
        mode: "absolute" transfers pose and expression as they are; "relative" adds the change since the neutral frame
            to the source's own. In both, the head moves and grows as the driver's does since the neutral frame. If
            None, relative for a source clip, absolute for a picture.
        extend: what happens if source clip and driver differ in length, see `Extend`.
        sound: whose sound the result has, see `Sound`. If None, the driver's, or the source clip's if that has none.
        neutral_frame: number of the neutral frame, from 0; chosen from the clip's beginning if None. After a cut, its
            face is moved to the usual place of the new shot, or another one is chosen there (`ReferenceFinder`).
        paste_back: results are whole source pictures; otherwise the square around the face.
        side_by_side: results show driving, source and result beside each other.
        on_missing_face: see `OnMissingFace`.
        smoothing: how much the tracker's jitter is filtered: 0 not at all, 1 as usual, more for a steadier face that
            lags behind.
        action_units: added to the driven face, by name, FACS -5 to 5 (`FaceEdit.action_units`); facegan only.
        options: what of the motion reaches the source: regions, strength; `neutralise` makes it relative in any `mode`.
        face: number of the face in the source, 1 is the largest; the largest if None.
        driving_face: the same for the clip's first frame with a face.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.
        max_crop_px: larger faces are redrawn at this side, to save time and memory.
        crop: another square around the source's face, which is what is redrawn; the system's if None.
        trim: part of the driver that is used; all of it if None. Its frames, and its sound, count from there.
        tracker: "own", "fan" or "mediapipe".
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        overwrite: whether an existing file may be replaced.
        fps: rate of the result; the source clip's, or else the driving clip's if None.
        quality: 0 to 100; 85, without visible loss, if None. GIF has one quality.
        longest_px: results with a longer side are scaled down to this; the source's size if None.
        restore: applied to the faces that were drawn, such as `load_restorer()`.
        upscale: 2 enlarges a source picture, for small ones; 1 keeps its size.
        origin: metadata and marks of the file; metadata alone by default.
        progress: called after every batch.
        should_stop: called before every frame; True ends the work with `StoppedError`, and no file is left behind.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    check_choice("on_missing_face", on_missing_face, OnMissingFace)
    check_choice("extend", extend, Extend)
    out = pathlib.Path(out)
    inputs = {"source": source, "driver": driving}
    check_output(out, overwrite=overwrite, suffixes=VIDEO_SUFFIXES, inputs=inputs)
    if neutral_frame is not None and neutral_frame < 0:
        raise ConfigError(f"Neutral frame {neutral_frame} was asked for; frames are numbered from 0.")
    if not 0 <= smoothing <= 10:
        raise ConfigError(f"The smoothing is {smoothing:g}; give a factor from 0 to 10.")
    check = stop_checker(should_stop)
    with contextlib.ExitStack() as files:
        clip, picture, source_name, moving = None, None, "", ()
        found: dict[str, Any] = {
            "face": face,
            "min_score": min_face_score,
            "largest_px": max_crop_px,
            "paste_back": paste_back,
        }
        if isinstance(source, (str, pathlib.Path)) and kind_of(source) == "video":
            if upscale != 1:
                raise ConfigError("Only source pictures are enlarged; give a source clip as it is.")
            clip = files.enter_context(SourceClip(source, fps=fps, **found))
            fps = clip.info.fps
        else:
            picture, source_name = open_picture(source, "source")
            picture = enlarged(picture, upscale)
            moving = moving_note(picture, source_name)
        if mode is None:
            mode = "absolute" if clip is None else "relative"
        check_choice("mode", mode, MotionMode)
        mode = "relative" if options.neutralise else mode
        drive = files.enter_context(open_driving(driving, fps=fps, trim=trim))
        drive.check_neutral(neutral_frame)
        sound_from = choose_sound(sound, drive, clip)
        engine = system if isinstance(system, Engine) else load_engine(system, tracker=tracker, device=device)
        check()
        change, options = unit_change(engine.system, action_units, options)
        progress(0, drive.info.frame_count, "preparing")
        prepared = None if picture is None else engine.open_source(picture.rgb, name=source_name, **found)
        if clip is not None:
            if engine.tune_steps:
                raise ConfigError("Systems are tuned to source pictures, not to clips; leave the tuning out.")
            clip.start(engine, check)
        progress(0, drive.info.frame_count, "tracking")
        drive.start(
            Following(
                system=engine.system,
                mode=mode,
                tracker=engine.tracker,
                hidden=engine.hidden,
                neutral_frame=neutral_frame,
                face=driving_face,
                min_score=min_face_score,
                smoothing=smoothing,
                check=check,
            )
        )
        drawing: dict[str, Any] = {
            "mode": mode,
            "paste_back": paste_back,
            "change": change,
            "options": options,
            "restore": restore,
        }
        animator = Animator(prepared, None, system=engine.system, **drawing)
        return _write(
            drive,
            clip,
            animator,
            out,
            extend=extend,
            sound_from=None if on_missing_face == "skip" else sound_from,
            trim=trim,
            side_by_side=side_by_side,
            on_missing_face=on_missing_face,
            overwrite=overwrite,
            quality=quality,
            longest_px=longest_px,
            origin=origin,
            progress=progress,
            warnings=moving + (() if prepared is None else prepared.warnings),
        )


def choose_sound(sound: Sound | None, driving: Driving, source: SourceClip | None) -> pathlib.Path | None:
    """The file whose sound the result has; None for no sound.

    Raises:
        ConfigError: that of a source picture was asked for.
    """
    if sound is not None:
        check_choice("sound", sound, Sound)
    if sound == "source" and source is None:
        raise ConfigError("The source is a picture, which has no sound; choose the driver's sound, or none.")
    of_driver = driving.path if driving.info.has_audio else None
    of_source = source.path if source is not None and source.info.has_audio else None
    return {"driving": of_driver, "source": of_source, "none": None, None: of_driver or of_source}[sound]


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def missing_warnings(driving: Driving, missing: list[int], on_missing_face: OnMissingFace) -> Iterator[str]:
    """Warnings about frames without a face, after the driver has been read."""
    if missing:
        done = "left out" if on_missing_face == "skip" else "the last result was held"
        count = "1 frame" if len(missing) == 1 else f"{len(missing)} frames"
        yield f"{driving.path}: no face in {count} ({frame_ranges(missing)}); {done}."
    if on_missing_face == "skip" and driving.info.has_audio:
        yield f"{driving.path}: its sound was left out, because frames without a face are skipped."


class _Drawn(NamedTuple):
    """A frame of the result."""

    tracked: TrackedFrame
    still: Frame
    """The source."""
    result: Frame | None
    """None where the driver has no face and the last result is held."""


def _write(
    driving: Driving,
    clip: SourceClip | None,
    animator: Animator,
    out: pathlib.Path,
    *,
    extend: Extend,
    sound_from: pathlib.Path | None,
    trim: Trim | None,
    side_by_side: bool,
    on_missing_face: OnMissingFace,
    overwrite: bool,
    quality: int | None,
    longest_px: int | None,
    origin: Origin,
    progress: Progress,
    warnings: tuple[str, ...],
) -> VideoResult:
    """Draw and write all frames."""
    info = driving.info
    still = animator.still if clip is None else np.zeros((*clip.size[::-1], 3), np.uint8)
    layout = SideBySide((info.width, info.height), size_of(still), size_of(still)) if side_by_side else None
    tracked = driving.frames(
        show=animator.show,
        keep=None if layout is None else layout.scale_first,
        stop_without_face=on_missing_face == "stop",
    )
    files = contextlib.ExitStack()
    if clip is None:
        batches, expected = _draw_picture(animator, tracked), info.frame_count
    else:
        pairs = files.enter_context(contextlib.closing(pair_frames(tracked, clip, extend)))
        batches = _draw_clip(animator, clip, pairs)
        expected = (min if extend == "stop" else max)(info.frame_count, clip.info.frame_count)
    shape = size_of(still) if layout is None else layout.size
    width, height = size_of(fitted(np.zeros((shape[1], shape[0], 3), np.uint8), longest_px))
    writer = VideoWriter(
        out,
        width=width,
        height=height,
        fps=info.fps,
        audio_from=sound_from,
        audio_start_s=trim.begin_s if trim is not None and sound_from == driving.path else Fraction(0),
        overwrite=overwrite,
        origin=origin if animator.moves or side_by_side else None,
        quality=quality,
    )
    missing: list[int] = []
    done, last = 0, still
    with files, writer:
        for batch in batches:
            for each in batch:
                done += 1
                if each.tracked.driver is None:
                    missing.append(each.tracked.index)
                    if on_missing_face == "skip":
                        continue
                last = last if each.result is None else each.result
                frame = each.tracked.frame
                shown = last if layout is None or frame is None else layout(frame, each.still, last)
                writer.write(fitted(shown, longest_px))
            progress(done, max(expected, done), "frames")
        if len(missing) == done:
            raise no_face_in(f"any of the {done} frames of {driving.path}", driving.reason)
    return VideoResult(
        path=out,
        width=width,
        height=height,
        fps=writer.written_fps,
        frame_count=round(writer.frame_count * writer.written_fps / info.fps),
        missing=tuple(missing),
        warnings=(
            *warnings,
            *driving.notes(),
            *missing_warnings(driving, missing, on_missing_face),
            *driving.damage(),
            *(() if clip is None else clip.notes()),
            *rate_note(out, info.fps, writer.written_fps),
        ),
        system=animator.system.system if animator.moves else None,
    )


def rate_note(out: pathlib.Path, fps: Fraction, written_fps: Fraction) -> tuple[str, ...]:
    """That a format could not hold the rate."""
    if written_fps == fps:
        return ()
    reason = f"{out.suffix[1:].upper()} holds at most 50 frames a second"
    return (f"{out}: {reason}; of {float(fps):.4g}, {float(written_fps):.4g} were written.",)


def _draw_picture(animator: Animator, tracked: Iterator[TrackedFrame]) -> Iterator[Iterator[_Drawn]]:
    """Batches of results of one picture. Results are pasted back one at a time."""
    for batch in in_batches(tracked, animator.batch):
        yield (_Drawn(each, animator.still, result) for each, result in _draw_batch(animator, batch))


def _draw_clip(
    animator: Animator, clip: SourceClip, pairs: Iterator[tuple[TrackedFrame, SourceFrame]]
) -> Iterator[Iterator[_Drawn]]:
    """Results of a source clip, one by one."""
    last: TrackedFrame | None = None
    for tracked, shown in pairs:
        last = last if tracked.driver is None else tracked
        if shown.source is None:
            yield iter([_Drawn(tracked, clip.fit(shown.frame), clip.unchanged(shown.frame))])
            continue
        animator.take(shown.source)
        result = animator.still if last is None else next(result for _, result in _draw_batch(animator, [last]))
        yield iter([_Drawn(tracked, clip.fit(animator.still), None if result is None else clip.fit(result))])


def _draw_batch(animator: Animator, batch: list[TrackedFrame]) -> Iterator[tuple[TrackedFrame, Frame | None]]:
    """Frames with their results; None without a face. Results are pasted back one at a time."""
    for shot, driver in by_shot(batch):
        if driver is None:
            yield from ((each, None) for each in shot)
            continue
        if driver.neutral is not animator.neutral:
            animator.start_shot(driver.neutral)
        yield from zip(shot, animator.draw(driver.geometry, driver.faces), strict=True)
