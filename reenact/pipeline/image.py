"""A photo driven by another photo."""

import typing
from typing import Any

import numpy as np
from jaxtyping import UInt8

from reenact.errors import ConfigError, NoFaceFoundError, Note
from reenact.hub.loading import TrackerKind
from reenact.media.frame import Frame
from reenact.perception.crop import LARGEST_PX
from reenact.perception.crop_box import CropBox
from reenact.perception.tracking import Tracker
from reenact.pipeline.animate import Animator, Restore
from reenact.pipeline.controls.driven import unit_change
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.hidden import hidden_notes
from reenact.pipeline.looks import driving_warnings, moving_note
from reenact.pipeline.neutral import neutralised, placed_like
from reenact.pipeline.options import WHOLE_MOTION, DrivingOptions
from reenact.pipeline.results import ImageResult, SideBySide, size_of
from reenact.pipeline.source import PictureLike, enlarged, open_picture, upright_driver
from reenact.systems.base import MotionMode
from reenact.systems.catalog import DEFAULT_SYSTEM
from reenact.types import FaceGeometry


def reenact_image(
    source: PictureLike,
    driving: PictureLike,
    *,
    system: str | Engine = DEFAULT_SYSTEM,
    mode: MotionMode = "absolute",
    neutral: PictureLike | None = None,
    options: DrivingOptions = WHOLE_MOTION,
    paste_back: bool = True,
    side_by_side: bool = False,
    face: int | None = None,
    driving_face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    crop: CropBox | None = None,
    tracker: TrackerKind = "own",
    device: str = "auto",
    restore: Restore | None = None,
    upscale: int = 1,
) -> ImageResult:
    """Redraw the source's face with the driving face's pose and expression.

    The head keeps its place and size: a single driving picture does not show a displacement.

    Args:
        source: the picture to redraw.
        driving: the picture whose pose and expression are transferred.
        system: a system's id, or a loaded engine, which then draws (`tracker` and `device` are not used).
        mode: "absolute" transfers pose and expression as they are; "relative" adds the difference between the driving
            face and `neutral` to the source's own.
        neutral: a picture of the driver at rest, for relative motion; if None, the driving face without expression
            and seen from the front.
        options: what of the motion reaches the source: regions, strength; `neutralise` makes it relative in any `mode`.
        paste_back: the result is the whole source picture; otherwise the square around the face.
        side_by_side: the result shows driving, source and result beside each other.
        face: number of the face in the source, 1 is the largest; the largest if None.
        driving_face: the same for the driving picture.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.
        max_crop_px: larger faces are redrawn at this side, to save time and memory.
        crop: another square around the source's face, which is what is redrawn; the system's if None.
        tracker: "own", "fan" or "mediapipe".
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        restore: applied to the face that was drawn, such as `load_restorer()`.
        upscale: 2 enlarges the source, for small ones; 1 keeps its size.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    check_choice("mode", mode, MotionMode)
    mode = "relative" if options.neutralise else mode
    source_picture, source_name = open_picture(source, "source")
    source_picture = enlarged(source_picture, upscale)
    driving_picture, driving_name = open_picture(driving, "driving")
    neutral_picture = None if neutral is None else open_picture(neutral, "neutral")
    opened = ((source_picture, source_name), (driving_picture, driving_name), neutral_picture)
    moving = tuple(note for each in opened if each is not None for note in moving_note(*each))
    engine = system if isinstance(system, Engine) else load_engine(system, tracker=tracker, device=device)
    prepared = engine.open_source(
        source_picture.rgb,
        face=face,
        min_score=min_face_score,
        largest_px=max_crop_px,
        paste_back=paste_back,
        crop=crop,
        name=source_name,
    )
    driver, geometry, warnings = find_driver(
        engine.tracker, driving_picture.rgb, driving_face, min_face_score, driving_name
    )
    reference = geometry
    if mode == "relative":
        if neutral_picture is None:
            reference = neutralised(geometry)
        else:
            picture, name = neutral_picture
            _, reference, more = find_driver(engine.tracker, picture.rgb, None, min_face_score, name)
            # two photos differ in framing, which is not a movement of the head
            reference = placed_like(reference, geometry)
            warnings += more
    change, options = unit_change(engine.system, None, options)
    drawing: dict[str, Any] = {
        "mode": mode,
        "paste_back": paste_back,
        "change": change,
        "options": options,
        "restore": restore,
    }
    animator = Animator(prepared, reference, system=engine.system, **drawing)
    shown = animator.show(driver, geometry)
    if engine.hidden is not None:
        notes = hidden_notes(engine.hidden, shown.rgb, shown.mesh_px)
        warnings += tuple(note.about(driving_name) for note in notes)
    result = next(animator.draw(geometry, shown))
    alpha = source_picture.alpha if paste_back and not side_by_side else None
    if side_by_side:
        pictures = (driving_picture.rgb, animator.still, result)
        result = SideBySide(*map(size_of, pictures))(*pictures)
    return ImageResult(
        rgb=result,
        alpha=alpha,
        source=animator.still,
        warnings=moving + prepared.warnings + warnings,
        system=engine.system.system if animator.moves else None,
        face_px=prepared.face_square() if paste_back and not side_by_side else None,
    )


def check_choice(name: str, value: object, choices: object) -> None:
    """Raise a `ConfigError` unless the value is among the choices of a `Literal`."""
    allowed = typing.get_args(choices)
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; choose {' or '.join(map(repr, allowed))}.")


def find_driver(
    tracker: Tracker, frame: Frame, face: int | None, min_score: float, name: str
) -> tuple[UInt8[np.ndarray, "_ _ 3"], FaceGeometry, tuple[Note, ...]]:
    """A driving picture, turned upright, the face in it, and notes.

    Raises:
        NoFaceFoundError: no usable face.
    """
    try:
        report = tracker.report(frame, face=face, min_score=min_score)
    except NoFaceFoundError as error:
        raise error.about(name) from error
    turned, geometry, notes = upright_driver(frame, report.geometry, name)
    return turned, geometry, driving_warnings(report.warnings, name) + notes
