"""All systems on the same source and driver, side by side and measured.

driver ── found or tracked once ──▶ each system draws ──▶ sheet of pictures
                                                    └──▶ tracker, identity encoder ──▶ figures
"""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from reenact.errors import ConfigError
from reenact.hub.loading import TrackerKind
from reenact.media import VideoWriter, check_output, kind_of, write_image
from reenact.media.frame import Frame
from reenact.media.output import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from reenact.media.trim import Trim
from reenact.pipeline.compare.contender import Contender
from reenact.pipeline.compare.figures import SystemFigures
from reenact.pipeline.compare.sheet import LARGEST_PX, Sheet
from reenact.pipeline.driving import Driving, DrivingClip, Following, by_shot
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import find_driver
from reenact.pipeline.looks import moving_note, no_face_in
from reenact.pipeline.motions.library import SUFFIX, find_motion
from reenact.pipeline.motions.playing import open_driving
from reenact.pipeline.progress import Progress, ShouldStop, never, no_progress, stop_checker
from reenact.pipeline.results import fitted, size_of
from reenact.pipeline.shots import Driver
from reenact.pipeline.source import PictureLike, open_picture
from reenact.pipeline.video import in_batches, missing_warnings
from reenact.provenance.origin import SYNTHETIC, Origin
from reenact.systems.catalog import CATALOG, installed_systems

_SOURCE, _DRIVER = "Source", "Driver"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison that was written."""

    path: pathlib.Path
    width: int
    height: int
    fps: Fraction | None
    """None for a picture."""
    frame_count: int
    figures: tuple[SystemFigures, ...]
    """Of the systems in their order in the file."""
    warnings: tuple[str, ...]
    """One line each, for the user."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: "file", "frames", and a list "systems" with the fields of `SystemFigures`, "title" and "use"."""
        systems = [each.as_dict() for each in self.figures]
        return {"file": self.path.name, "frames": self.frame_count, "systems": systems}

    def to_json(self) -> str:
        """`as_dict` as text."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n"


def is_moving(driving: str | pathlib.Path) -> bool:
    """Whether a driver is a clip or a motion template; otherwise it is a picture."""
    return find_motion(driving).suffix.lower() == SUFFIX or kind_of(find_motion(driving)) == "video"


def compare(
    source: PictureLike,
    driving: str | pathlib.Path,
    out: str | pathlib.Path,
    *,
    systems: Sequence[str | Engine] = (),
    paste_back: bool = False,
    face: int | None = None,
    driving_face: int | None = None,
    min_face_score: float = 0.5,
    tracker: TrackerKind = "own",
    device: str = "auto",
    trim: Trim | None = None,
    overwrite: bool = False,
    origin: Origin = SYNTHETIC,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> Comparison:
    """Draw the same source and driver by several systems, with the driver's own pose and expression.

    Args:
        source: the picture to redraw.
        driving: a picture, a clip, a motion template's file or the name of one ("nod", "smile", ...).
        out: a picture's or a clip's file, after the driver's kind; driver, source and results under captions. It
            appears complete or not at all.
        systems: ids of systems or loaded engines; all systems with embedded weights if there are none.
        paste_back: show whole pictures; otherwise the squares around the face.
        face: number of the face in the source, 1 is the largest; the largest if None.
        driving_face: the same for the driver.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.
        tracker: "own", "fan" or "mediapipe"; it finds the driver and reads the results.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        trim: part of a driving clip or motion that is used; all of it if None.
        overwrite: whether an existing file may be replaced.
        origin: metadata and marks of the file; metadata alone by default.
        progress: called after every batch.
        should_stop: called before every frame; True ends the work with `StoppedError`, and no file is left behind.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    out, moving, check = pathlib.Path(out), is_moving(driving), stop_checker(should_stop)
    inputs = {"source": source, "driver": driving}
    check_output(out, overwrite=overwrite, suffixes=VIDEO_SUFFIXES if moving else IMAGE_SUFFIXES, inputs=inputs)
    chosen = systems or installed_systems()
    chosen = [each for place, each in enumerate(chosen) if each not in chosen[:place]]
    if trim is not None and not moving:
        raise ConfigError("The driver is a picture, which has no parts; leave the times out, or give a clip.")
    if not chosen:
        raise ConfigError("No system has weights here; install or clone the project again.")
    picture, name = open_picture(source, "source")
    contenders: list[Contender] = []
    engines: list[Engine] = []
    for each in chosen:
        check()
        progress(0, len(chosen), "preparing")
        engine = each if isinstance(each, Engine) else load_engine(each, tracker=tracker, device=device)
        prepared = engine.open_source(
            picture.rgb, face=face, min_score=min_face_score, paste_back=paste_back, name=name
        )
        engines.append(engine)
        contenders.append(Contender(engine, prepared, engines[0].tracker, paste_back=paste_back))
    judge = engines[0]
    notes = moving_note(picture, name) + tuple(note for each in contenders for note in each.warnings)
    shared: dict[str, Any] = {"overwrite": overwrite, "origin": origin}
    if moving:
        with contextlib.closing(open_driving(driving, trim=trim)) as drive:
            following = Following(
                system=judge.system,
                mode="absolute",
                tracker=judge.tracker,
                hidden=judge.hidden,
                face=driving_face,
                min_score=min_face_score,
                check=check,
            )
            progress(0, drive.info.frame_count, "tracking")
            drive.start(following)
            begin_s = Fraction(0) if trim is None else trim.begin_s
            written = _write_clip(out, drive, contenders, audio_start_s=begin_s, progress=progress, **shared)
    else:
        written = _write_picture(out, driving, contenders, judge, (driving_face, min_face_score), **shared)
    notes += written.pop("warnings")
    figures = tuple(each.figures() for each in contenders)
    return Comparison(path=out, figures=figures, warnings=tuple(dict.fromkeys(notes)), **written)


def _layout(contenders: Sequence[Contender], *, with_driver: bool) -> Sheet:
    titles = [CATALOG[each.animator.system.system].title for each in contenders]
    return Sheet([*[_DRIVER] * with_driver, _SOURCE, *titles], size_of(contenders[0].still))


def _write_picture(
    out: pathlib.Path,
    driving: str | pathlib.Path,
    contenders: Sequence[Contender],
    judge: Engine,
    finding: tuple[int | None, float],
    *,
    overwrite: bool,
    origin: Origin,
) -> dict[str, Any]:
    """Draw and write a picture; fields of `Comparison`."""
    picture, name = open_picture(driving, "driving")
    frame, geometry, warnings = find_driver(judge.tracker, picture.rgb, *finding, name)
    driver = Driver(geometry=geometry, faces=contenders[0].animator.show(frame, geometry), neutral=geometry)
    results = [each.draw(driver)[0] for each in contenders]
    sheet = _layout(contenders, with_driver=True)
    whole = sheet([picture.rgb, contenders[0].still, *results])
    write_image(out, whole, overwrite=overwrite, origin=origin)
    width, height = sheet.size
    return {
        "width": width,
        "height": height,
        "fps": None,
        "frame_count": 1,
        "warnings": moving_note(picture, name) + warnings,
    }


def _write_clip(
    out: pathlib.Path,
    drive: Driving,
    contenders: Sequence[Contender],
    *,
    audio_start_s: Fraction,
    overwrite: bool,
    origin: Origin,
    progress: Progress,
) -> dict[str, Any]:
    """Draw and write a clip; fields of `Comparison`."""
    info, has_pictures = drive.info, isinstance(drive, DrivingClip)
    sheet = _layout(contenders, with_driver=has_pictures)
    width, height = sheet.size
    writer = VideoWriter(
        out,
        width=width,
        height=height,
        fps=info.fps,
        audio_from=drive.path if info.has_audio else None,
        audio_start_s=audio_start_s,
        overwrite=overwrite,
        origin=origin,
    )
    missing: list[int] = []
    done, still = 0, contenders[0].still
    last = [still] * len(contenders)
    with writer:
        for tracked, results in _draw_clip(drive, contenders, has_pictures=has_pictures):
            done += 1
            last = results or last
            if not results:
                missing.append(tracked.index)
            shown = [] if tracked.frame is None else [tracked.frame]
            writer.write(sheet([*shown, still, *last]))
            progress(done, max(info.frame_count, done), "frames")
        if len(missing) == done:
            raise no_face_in(f"any of the {done} frames of {drive.path}", drive.reason)
    return {
        "width": width,
        "height": height,
        "fps": writer.written_fps,
        "frame_count": done,
        "warnings": (*drive.notes(), *missing_warnings(drive, missing, "hold"), *drive.damage()),
    }


def _draw_clip(
    drive: Driving, contenders: Sequence[Contender], *, has_pictures: bool
) -> Iterator[tuple[Any, list[Frame]]]:
    """Frames of the driver with the systems' results; none where it has no face."""

    def keep(frame: Frame) -> Frame:
        return fitted(frame, LARGEST_PX)

    frames = drive.frames(show=contenders[0].animator.show, keep=keep if has_pictures else None)
    for batch in in_batches(frames, min(each.animator.batch for each in contenders)):
        for shot, driver in by_shot(batch):
            if driver is None:
                yield from ((each, []) for each in shot)
                continue
            results = [each.draw(driver, shot[0].index) for each in contenders]
            yield from ((each, [*drawn]) for each, *drawn in zip(shot, *results, strict=True))
