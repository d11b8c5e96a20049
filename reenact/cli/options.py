"""Options that several commands share.

Each command has `check`, which refuses what cannot work before torch is imported (that takes seconds), and `run`.
"""

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg
from tyro.constructors import PrimitiveConstructorSpec

from reenact.cli.batch import expand, folder_for, is_empty, read_out, run_all
from reenact.cli.marking import Marking
from reenact.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reenact.media.trim import Trim
    from reenact.perception.crop_box import CropBox
    from reenact.pipeline.engine import Engine
    from reenact.pipeline.options import DrivingOptions
    from reenact.restore.gfpgan import Restorer


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceAndOutput(Marking):
    """The two files of every command that redraws a face."""

    source: Annotated[Positional[pathlib.Path], arg(metavar="SOURCE")]
    """Picture of the face to redraw; `video` and `edit` take a clip, too."""
    out: Annotated[pathlib.Path, arg(aliases=["-o"])]
    """Output file; its suffix chooses the format."""


def check_face_number(option: str, number: int | None) -> None:
    """Refuse a number below 1.

    Raises:
        ConfigError: the option and its range.
    """
    if number is not None and number < 1:
        raise ConfigError(f"{option} is {number}; faces are numbered from 1, the largest first.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a driver that is used."""

    begin: Annotated[str | None, arg(name="from")] = None
    """Time in the driver at which it begins: seconds, or 1:02.5."""
    end: Annotated[str | None, arg(name="to")] = None
    """Time in the driver at which it ends."""

    def trim(self) -> "Trim | None":
        """The part of the driver that is used; None for all of it.

        Raises:
            ConfigError: not times, or an empty part.
        """
        from reenact.media.trim import Trim

        return Trim.read(self.begin, self.end, names=("--from", "--to"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrackerOptions:
    """How faces are found."""

    tracker: Literal["own", "fan", "mediapipe"] = "own"
    """Face tracker; fan and mediapipe need their own libraries."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    face: int | None = None
    """Which of several faces, counted from the largest, 1. Default: the largest."""
    min_face_score: float = 0.5
    """Lowest score, 0 to 1, at which a detection counts as a face."""
    overwrite: bool = False
    """Replace existing files."""

    def check(self) -> None:
        """Refuse settings out of range.

        Raises:
            ConfigError: the option and its range.
        """
        check_face_number("--face", self.face)
        if not 0 <= self.min_face_score <= 1:
            raise ConfigError(f"--min-face-score is {self.min_face_score:g}; give a score from 0 to 1.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Redrawing(TrackerOptions, SourceAndOutput):
    """What all commands that redraw a face have in common."""

    system: str | None = None
    """Reenactment system. Default: the checkpoint's, or "correspondence"."""
    checkpoint: str | None = None
    """Weights: a folder with config.json and model.safetensors, or owner/name or owner/name@revision on the Hub."""
    paste_back: bool = True
    """Paste the face back into the whole picture; otherwise only the square around the face is written."""
    max_crop: int = 1536
    """Largest side of the face crop in pixels; larger faces are scaled down."""
    restore: Literal["gfpgan"] | None = None
    """Restore the faces that are drawn. gfpgan: GFPGAN v1.4 (349 MB, fetched once); needs the extra `restore`."""
    restore_weights: pathlib.Path | None = None
    """With --restore: file of its weights, GFPGANv1.4.pth."""
    restore_strength: float = 1.0
    """With --restore: 0 leaves the pixels as they are, 1 takes the restored ones."""
    upscale: Literal[1, 2] = 1
    """Enlarge a small source picture, 1 or 2 times."""

    def check(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            ConfigError: the option and its range.
        """
        from reenact.systems.catalog import find_system

        super().check()
        self.check_marking()
        if self.max_crop < 64:
            raise ConfigError(f"--max-crop is {self.max_crop}; give a side in pixels, 64 or more.")
        if self.system not in (None, "auto"):
            find_system(self.system)
        if not 0 <= self.restore_strength <= 1:
            raise ConfigError(f"--restore-strength is {self.restore_strength:g}; give a number from 0 to 1.")
        if self.restore is None and (self.restore_weights is not None or self.restore_strength != 1):
            raise ConfigError("--restore-weights and --restore-strength work only with --restore gfpgan; add it.")
        if self.restore_weights is not None:
            from reenact.media.probe import existing_file

            existing_file(self.restore_weights)

    def load(self, system: str | None) -> "Engine":
        """Load a system and the tracker; None loads the checkpoint's system, or the default."""
        from reenact.pipeline.engine import load_engine

        return load_engine(system, checkpoint=self.checkpoint, tracker=self.tracker, device=self.device)

    def restorer(self, count_faces: "Callable[[], int]") -> "Restorer | None":
        """What restores faces, if that was asked for; says first how long it will take.

        Args:
            count_faces: number of faces that will be drawn.
        """
        if self.restore is None:
            return None
        from reenact.cli.output import Bar, notes
        from reenact.hub import select_device
        from reenact.restore.gfpgan import load_restorer, time_text

        with Bar() as bar:
            restorer = load_restorer(
                self.restore_weights,
                strength=self.restore_strength,
                device=select_device(self.device),
                progress=bar.show,
            )
        notes([time_text(restorer.measure(), count_faces())])
        return restorer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Driven(Redrawing):
    """What `image` and `video` have in common."""

    driving: Annotated[Positional[pathlib.Path], arg(metavar="DRIVING")]
    """Picture or clip that gives pose and expression; for a clip, also a motion template or the name of one. SOURCE and
    DRIVING may be folders: a result for every source with every driver, in the folder --out."""
    out: Annotated[
        pathlib.Path,
        arg(aliases=["-o"]),
        PrimitiveConstructorSpec(
            1, "PATH", read_out, lambda value: isinstance(value, pathlib.Path), lambda path: [str(path)]
        ),
    ]
    """Output file; its suffix chooses the format. Or a folder, with SOURCE--DRIVER in it; a new name without suffix, or
    with "/" at its end, becomes one."""
    relative: bool = False
    """Add the driver's change since its neutral face to the source's own pose and expression."""
    region: tuple[Literal["all", "expression", "pose", "eyes", "lips"], ...] = ("all",)
    """What is driven, one or several; the rest does what it does in the source. all is expression and pose."""
    keep: tuple[Literal["eyes", "lips"], ...] = ()
    """Parts that stay the source's own."""
    strength: float = 1.0
    """Factor of the motion, 0 to 2: 0 is the source as it is, without marks; 2 is twice the motion."""
    neutralise: bool = False
    """Relative motion from a neutral face: the source's own expression is removed."""
    body: Literal["follows", "stays"] = "follows"
    """Whether neck, shoulders and long hair follow the head, or stay and only the upper neck bends."""
    crop_scale: float = 1.0
    """Side of the square around the source's face that is redrawn, 0.6 to 2 of the usual one."""
    crop_shift: tuple[float, float] = (0.0, 0.0)
    """Shift of that square to the right and downwards, -0.3 to 0.3 of its side."""
    side_by_side: bool = False
    """Show driving, source and result beside each other."""
    driving_face: int | None = None
    """Which of several faces in the driving picture or clip, counted from the largest, 1."""
    tune_steps: int = 0
    """Optimise the generator for the source picture in so many steps, such as 30; --system latent_directions only."""

    def check(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            ConfigError: the option and its range.
        """
        from reenact.systems.catalog import DEFAULT_SYSTEM, cannot_tune, find_system

        super().check()
        check_face_number("--driving-face", self.driving_face)
        self.options()
        self.crop()
        system = self.system or DEFAULT_SYSTEM
        if self.tune_steps and self.checkpoint is None and not find_system(system).can_tune:
            raise cannot_tune(system)

    def run(self) -> None:
        """Write the result, or those of folders."""
        runs = expand(self.source, self.driving, self.out, self.usual_suffix)
        commands = [dataclasses.replace(self, source=one, driving=other, out=out) for one, other, out in runs]
        with folder_for(commands[0].out, is_new=commands[0].out != self.out):
            if self.source.is_dir() or self.driving.is_dir():
                run_all(
                    [dataclasses.replace(each, overwrite=self.overwrite or is_empty(each.out)) for each in commands]
                )
            else:
                commands[0].redraw(self.load)

    @property
    def usual_suffix(self) -> str:
        """Of results in an output folder."""
        raise NotImplementedError

    def redraw(self, load: "Callable[[str | None], Engine]") -> None:
        """Write one result.

        Args:
            load: of this command, or of one with the same options.
        """
        raise NotImplementedError

    def load(self, system: str | None) -> "Engine":
        """See `Redrawing.load`."""
        from reenact.cli.output import Bar
        from reenact.pipeline.engine import load_engine

        bar = Bar()

        def tuned(done: int, total: int, stage: str) -> None:
            bar.show(done, total, stage)
            if done == total:
                bar.close()

        return load_engine(
            system,
            checkpoint=self.checkpoint,
            tracker=self.tracker,
            device=self.device,
            tune_steps=self.tune_steps,
            progress=tuned,
        )

    def crop(self) -> "CropBox":
        """The square around the source's face.

        Raises:
            ConfigError: an option out of range.
        """
        from reenact.perception.crop_box import CropBox

        right, down = self.crop_shift
        return CropBox(scale=self.crop_scale, right=right, down=down)

    def options(self) -> "DrivingOptions":
        """What of the motion reaches the source.

        Raises:
            ConfigError: an option out of range.
        """
        from reenact.pipeline.options import DrivingOptions

        return DrivingOptions(
            regions=self.region, keep=self.keep, strength=self.strength, neutralise=self.neutralise, body=self.body
        )
