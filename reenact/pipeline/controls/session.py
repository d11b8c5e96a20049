"""The editor: a photo's face with other Action Units, head angles or another background.

source ── tracked and encoded once ──▶ EditSession ── FaceEdit ──▶ units, angles ── pose, render ──▶ crop
                                                                                                       │
                            whole picture ◀── cut out, put before a background ◀── pasted back ◀───────┘
"""

import pathlib
from collections.abc import Callable, Sequence
from fractions import Fraction

from reenact.errors import CheckpointError
from reenact.hub.loading import TrackerKind
from reenact.media import Picture, VideoWriter
from reenact.media.frame import Frame
from reenact.perception.crop import LARGEST_PX
from reenact.pipeline.animate import Restore
from reenact.pipeline.controls.background import Background
from reenact.pipeline.controls.choice import EDITING, LARGE_POSE, choose_system, fallback_note, large_pose_reason
from reenact.pipeline.controls.clip import between, check_clip, eased, face_between
from reenact.pipeline.controls.encoded import EncodedFace
from reenact.pipeline.controls.keyframes import KeyFrames
from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.controls.rules import is_same, resolve, transfer, with_yaw
from reenact.pipeline.controls.settings import FaceEdit, checked_value
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.progress import Progress, ShouldStop, never, no_progress, stop_checker
from reenact.pipeline.results import ImageResult, VideoResult, size_of
from reenact.pipeline.source import PictureLike, enlarged, open_picture
from reenact.provenance.origin import SYNTHETIC, Origin
from reenact.systems.catalog import cannot_pose

_FAR_SIDE_DEG = 50.0
"""Yaw of a source beyond which one half of its face is hardly visible."""


class EditSession:
    """One face, ready to be edited any number of times. Made by `open_edit`."""

    reading: FaceReading
    """What the source does; edits start from it."""
    warnings: tuple[str, ...]
    """One line each, for the user; results add which system drew them."""

    def __init__(
        self, picture: Picture, encode: Callable[[str], EncodedFace], *, system: str, paste_back: bool
    ) -> None:
        """Read the source.

        Args:
            picture: the source.
            encode: from a system's id to the source encoded for it.
            system: "auto", or the id of the system that draws all edits.
            paste_back: whether results are whole source pictures.
        """
        self._picture, self._encode, self._system, self._paste_back = picture, encode, system, paste_back
        self._faces: dict[str, EncodedFace] = {}
        self._failure = ""
        first = self._face(EDITING if system == "auto" else system)
        if system == "auto" and large_pose_reason(first.reading, ()) is not None:
            first = self._face(LARGE_POSE)
        self._first, self.reading = first, first.reading
        self.warnings = first.source.warnings + _far_side_warnings(first.reading)

    @property
    def nbytes(self) -> int:
        """Memory that the session holds."""
        return sum(face.nbytes for face in set(self._faces.values()))

    @property
    def still(self) -> Frame:
        """The source, framed as the results are."""
        return self._first.still()

    def render(self, edit: FaceEdit, *, background: Background = None, preview: bool = False) -> ImageResult:
        """The edited face.

        An edit that changes nothing returns the source's pixels unchanged.

        Args:
            edit: what to change.
            background: what to put behind the person.
            preview: only the crop at the network's side; fast.

        Raises:
            ReenactError: the background cannot be read, or a system cannot be loaded.
        """
        target = resolve(edit, self.reading)
        face, notes = self._drawing_face([target])
        cutout = None if background is None else face.cutout(preview=preview)
        behind = None if cutout is None else cutout.background(background)
        drawn = face.draw(transfer(target, self.reading, face.reading), preview=preview)
        rgb, alpha = drawn.rgb, self._picture.alpha if self._paste_back and not preview else None
        if cutout is not None:
            rgb, matte = cutout.replace(drawn.rgb, drawn.changed, behind)
            alpha = matte if behind is None else None
        return ImageResult(
            rgb=rgb,
            alpha=alpha,
            source=face.still(preview=preview),
            warnings=self.warnings + notes,
            system=face.system_id if notes else None,
        )

    def animate(
        self,
        edit: FaceEdit,
        out: str | pathlib.Path,
        *,
        seconds: float = 2.0,
        fps: int = 25,
        background: Background = None,
        overwrite: bool = False,
        origin: Origin = SYNTHETIC,
        progress: Progress = no_progress,
        should_stop: ShouldStop = never,
    ) -> VideoResult:
        """A clip that eases from the source to the edit and back.

        Args:
            edit: reached in the middle of the clip.
            out: .mp4, .mov, .mkv, .webm, .gif or .webp; the file appears complete or not at all.
            seconds: length of the clip, up to 60.
            fps: frames a second, 1 to 120.
            background: what to put behind the person; a clip cannot be transparent.
            overwrite: whether an existing file may be replaced.
            origin: metadata and marks of the file; metadata alone by default.
            progress: called after every frame.
            should_stop: called before every frame; True ends the work with `StoppedError`, and no file is left behind.

        Raises:
            ReenactError: one of its children, with a text for the user.
        """
        count = check_clip(out, seconds=seconds, fps=fps, background=background, overwrite=overwrite)
        target = resolve(edit, self.reading)
        targets = [between(self.reading, target, share) for share in eased(count)]
        return self._write(
            out,
            targets,
            background,
            fps=fps,
            overwrite=overwrite,
            origin=origin,
            progress=progress,
            should_stop=should_stop,
        )

    def play(
        self,
        keyframes: KeyFrames,
        out: str | pathlib.Path,
        *,
        fps: int = 25,
        background: Background = None,
        overwrite: bool = False,
        origin: Origin = SYNTHETIC,
        progress: Progress = no_progress,
        should_stop: ShouldStop = never,
    ) -> VideoResult:
        """A clip that goes from key frame to key frame and ends with the last one.

        The arguments and the errors are those of `animate`.
        """
        count = check_clip(out, seconds=keyframes.seconds, fps=fps, background=background, overwrite=overwrite)
        targets = [face_between(keyframes.at(index / fps), self.reading) for index in range(count + 1)]
        return self._write(
            out,
            targets,
            background,
            fps=fps,
            overwrite=overwrite,
            origin=origin,
            progress=progress,
            should_stop=should_stop,
        )

    def turntable(
        self,
        out: str | pathlib.Path,
        *,
        seconds: float = 3.0,
        fps: int = 25,
        from_yaw_deg: float = -90.0,
        to_yaw_deg: float = 90.0,
        edit: FaceEdit | None = None,
        background: Background = None,
        overwrite: bool = False,
        origin: Origin = SYNTHETIC,
        progress: Progress = no_progress,
        should_stop: ShouldStop = never,
    ) -> VideoResult:
        """A clip in which the head rotates at constant speed from one yaw to another.

        `from_yaw_deg` and `to_yaw_deg` are the head's yaw in the first and the last frame, -90 to 90, absolute in any
        mode of the edit. `edit` sets units, pitch and roll of all frames; its yaw is ignored. The other arguments and
        the errors are those of `animate`.
        """
        count = check_clip(out, seconds=seconds, fps=fps, background=background, overwrite=overwrite)
        first_deg, last_deg = checked_value("yaw", from_yaw_deg), checked_value("yaw", to_yaw_deg)
        held = resolve(edit or FaceEdit(), self.reading)
        yaws_deg = [first_deg + (last_deg - first_deg) * index / (count - 1) for index in range(count)]
        targets = [with_yaw(held, yaw_deg, self.reading) for yaw_deg in yaws_deg]
        return self._write(
            out,
            targets,
            background,
            fps=fps,
            overwrite=overwrite,
            origin=origin,
            progress=progress,
            should_stop=should_stop,
        )

    def _write(
        self,
        out: str | pathlib.Path,
        targets: list[FaceReading],
        background: Background,
        *,
        fps: int,
        overwrite: bool,
        origin: Origin,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> VideoResult:
        """A clip of these frames, drawn by one system while they are written."""
        face, notes = self._drawing_face(targets)
        cutout = None if background is None else face.cutout()
        behind = None if cutout is None else cutout.background(background)
        check, path, (width, height) = stop_checker(should_stop), pathlib.Path(out), size_of(self.still)
        is_source = cutout is None and all(is_same(target, self.reading) for target in targets)
        marks = None if is_source else origin
        writer = VideoWriter(path, width=width, height=height, fps=Fraction(fps), overwrite=overwrite, origin=marks)
        with writer:
            for index, target in enumerate(targets):
                check()
                drawn = face.draw(transfer(target, self.reading, face.reading))
                writer.write(drawn.rgb if cutout is None else cutout.replace(drawn.rgb, drawn.changed, behind)[0])
                progress(index + 1, len(targets), "frames")
        return VideoResult(
            path=path,
            width=width,
            height=height,
            fps=Fraction(fps),
            frame_count=writer.frame_count,
            missing=(),
            warnings=self.warnings + notes,
            system=face.system_id if notes else None,
        )

    def _drawing_face(self, targets: Sequence[FaceReading]) -> tuple[EncodedFace, tuple[str, ...]]:
        """The source encoded for the system that draws all targets, and the note that names the system."""
        if all(is_same(target, self.reading) for target in targets):
            return self._first, ()
        choice = choose_system(self._system, self.reading, targets)
        face = self._face(choice.system)
        return face, (choice.note if face.system_id == choice.system else fallback_note(self._failure),)

    def _face(self, system: str) -> EncodedFace:
        """The source encoded for a system; in "auto", for facegan if dual_generator cannot be loaded."""
        if system not in self._faces:
            try:
                self._faces[system] = self._encode(system)
            except CheckpointError as error:
                if self._system != "auto" or system == EDITING:
                    raise
                self._failure, self._faces[system] = str(error), self._face(EDITING)
        return self._faces[system]


def open_edit(
    source: PictureLike,
    *,
    engines: Callable[[str], Engine] = load_engine,
    system: str = "auto",
    face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    paste_back: bool = True,
    restore: Restore | None = None,
    upscale: int = 1,
) -> EditSession:
    """Find a face and prepare it for edits.

    Args:
        source: the picture to edit.
        engines: from a system's id to its engine; called when a system is first needed.
        system: "auto": facegan draws near the source's own pose, dual_generator far from it; without the weights of
            dual_generator, facegan draws all edits. Or the id of the system that draws all edits.
        face: number of the face to edit, 1 is the largest; the largest if None.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.
        max_crop_px: larger faces are redrawn at this side, to save time and memory.
        paste_back: results are whole source pictures; otherwise the square around the face.
        restore: applied to the faces that are drawn, but for previews, such as `load_restorer()`.
        upscale: 2 enlarges the source, for small ones; 1 keeps its size.

    Raises:
        ConfigError: the system cannot set Action Units and angles.
        NoFaceFoundError: no usable face.
        ReenactError: another of its children, with a text for the user.
    """
    picture, name = open_picture(source, "source")
    picture = enlarged(picture, upscale)

    def encode(system_id: str) -> EncodedFace:
        engine = engines(system_id)
        if not engine.system.can_pose:
            raise cannot_pose(engine.system.system)
        prepared = engine.open_source(
            picture.rgb,
            face=face,
            min_score=min_face_score,
            largest_px=max_crop_px,
            paste_back=paste_back,
            name=name,
        )
        return EncodedFace(prepared, engine.system, paste_back=paste_back, restore=restore)

    return EditSession(picture, encode, system=system, paste_back=paste_back)


def edit_image(
    source: PictureLike,
    edit: FaceEdit,
    *,
    background: Background = None,
    system: str | Engine = "auto",
    paste_back: bool = True,
    face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    tracker: TrackerKind = "own",
    device: str = "auto",
) -> ImageResult:
    """Edit the face in a picture once; `open_edit` serves several edits of one picture.

    `background` is what to put behind the person: None for the source's own background, "none" for transparency (the
    result has alpha), or a picture. `system` may also be a loaded engine, which then draws; `tracker` ("own", "fan" or
    "mediapipe") and `device` ("auto", "cpu", "cuda", "cuda:N" or "mps") are for engines that are loaded here. The other
    arguments and the errors are those of `open_edit`.
    """

    def engines(system_id: str) -> Engine:
        return system if isinstance(system, Engine) else load_engine(system_id, tracker=tracker, device=device)

    session = open_edit(
        source,
        engines=engines,
        system=system.system.system if isinstance(system, Engine) else system,
        face=face,
        min_face_score=min_face_score,
        max_crop_px=max_crop_px,
        paste_back=paste_back,
    )
    return session.render(edit, background=background)


def _far_side_warnings(reading: FaceReading) -> tuple[str, ...]:
    if abs(reading.yaw_deg) < _FAR_SIDE_DEG:
        return ()
    side = "left" if reading.yaw_deg > 0 else "right"
    turned = f"The face is turned by {abs(reading.yaw_deg):.0f} degrees"
    return (f"{turned}: its {side} side is hardly in the picture and is guessed.",)
