"""The interface of all reenactment systems.

    source crop + geometry ── encode_identity ──▶ Identity      (once per source, kept)
    driving geometry ──────── read_motion ──────▶ Motion        (per frame, batched)
    Identity + Motion ─────── retarget ─────────▶ Driven        (the motion, fitted to this face)
    Identity + PoseControls ─ pose ─────────────▶ Driven        (without a driver; systems with `can_pose`)
    Identity + Driven ─────── render ───────────▶ Rendered      (pixels at the source crop's own size)
    Rendered ──────────────── draw ─────────────▶ Rendered      (mouths and eyes painted: the same for all systems)

`Identity`, `Motion` and `Driven` are each system's own frozen dataclasses; identities extend `EncodedCrop`.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.config import parse_config
from reenact.errors import ConfigError, Note, ShapeError
from reenact.geometry.matching import DrivingMotion, find_neutral
from reenact.ops.fold import fold_batch_norms
from reenact.portrait.compose import Rendered
from reenact.portrait.painters import DrivingFaces, Painted, SourceFace
from reenact.portrait.portrait import Portrait
from reenact.types import CropSpec, FaceGeometry, FaceImage
from reenact.weights import WeightsInfo

Identity = TypeVar("Identity", bound="EncodedCrop")
Motion = TypeVar("Motion", bound=DrivingMotion)
Driven = TypeVar("Driven")

Need = Literal["parsing", "embedding"]
"""What a system needs of a source to draw well: these fields of `FaceImage`."""

FillNeeds = Callable[[FaceImage, FaceGeometry, frozenset[Need]], FaceImage]
"""Adds the needed fields to a source crop that lacks them."""

Paint = Callable[[Tensor, Tensor, SourceFace, DrivingFaces | None], Painted]
"""Paints mouths and eyes: `reenact.portrait.painters.Painters.paint`."""

Progress = Callable[[int, int, str], None]
"""Called with the number of steps done, their total and the name of the stage."""

MotionMode = Literal["absolute", "relative"]
"""absolute: expression and rotation of the driving face; position and size change as the driver's since the neutral
frame. relative: all changes since the neutral frame are added to the source's own expression and pose."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodedCrop:
    """What the identities of all systems hold."""

    portrait: Portrait
    """The source crop in layers, at its own size."""
    rgb: Float[Tensor, "1 3 s s"]
    """The source crop at the network's side."""
    mesh: Float[Tensor, "1 478 3"]
    """In half-sides of the crop."""

    @property
    def native_rgb(self) -> Float[Tensor, "1 3 n n"]:
        """The source crop at its own size."""
        return self.portrait.rgb

    @functools.cached_property
    def face(self) -> SourceFace:
        """What mouths and eyes are drawn from."""
        return SourceFace(rgb=self.native_rgb, mesh_px=_to_pixels(self.mesh, self.native_rgb.shape[-1]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoseControls:
    """What a face does in f frames: of a source (f = 1), or of a target. None: as in the source."""

    action_units: Float[Tensor, "f 17 2"]
    """In the order of `ACTION_UNITS`, 0 to 1, the person's left and right."""
    angles_rad: Float[Tensor, "f 3"]
    """Pitch, yaw, roll of the head; see `reenact.types.head_angles_rad`."""
    gaze_rad: Float[Tensor, "f 2"] | None = None
    """Turn of the eyes in the head to the person's left, and down."""
    place: Float[Tensor, "f 3"] | None = None
    """Of `reenact.geometry.placement.place_head`."""
    pucker: Float[Tensor, "f"] | None = None
    """Lips narrowed and pushed forward, -1 (widened) to 1, beside what the Action Units do."""


class Reenactor(nn.Module, abc.ABC, Generic[Identity, Motion, Driven]):
    """A system, loaded and ready. Inputs and outputs live on the module's device; gradients may be on.

    Every method accepts any number of frames f >= 1 and gives the same result for a batch as for its frames one by
    one.
    """

    system: ClassVar[str]
    """Its id in `reenact.systems.catalog.CATALOG`."""
    config_class: ClassVar[type[Any]]
    """Dataclass of the "network" section of its ``config.json``, the constructor's first argument."""
    needs: frozenset[Need] = frozenset()
    """What it needs of a source to draw well."""
    can_pose: bool = False
    """Whether it has `read_controls` and `pose`."""
    config: Any
    """Of `config_class`."""
    crop: CropSpec
    """How source and driving crops are cut."""
    networks: Any  # an nn.Module of the system's own class
    """The trained part: what a checkpoint holds."""
    weights: WeightsInfo | None = None
    """Where the weights came from; None for a system that `reenact.load` did not make."""
    fill_needs: FillNeeds | None = None
    """Called by `encode_identity`; `reenact.load` sets it. With None the system draws from what it is given."""

    paint: Paint | None = None
    """Called by `draw`; `reenact.load` sets it. With None `draw` is `render`."""

    @classmethod
    def from_config(
        cls, network: dict[str, Any], *, where: str = "The network configuration"
    ) -> "Reenactor[Any, Any, Any]":
        """Untrained networks of a ``config.json``'s "network" section.

        Args:
            network: the section.
            where: it stands, for errors.

        Raises:
            ConfigError: unknown, missing or refused fields.
        """
        return cls(parse_config(cls.config_class, network, where=where))

    def prepare(self) -> None:
        """Make loaded networks fast: no gradients, folded batch norms, channels last. Call it once, before any verb."""
        self.eval().requires_grad_(False)
        self.networks = fold_batch_norms(self.networks).to(memory_format=torch.channels_last)

    def encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> Identity:
        """Everything that is read from the source, once.

        Args:
            image: one frame (f = 1), any side >= 64. Fields of `needs` that are None are filled by `fill_needs`.
            geometry: the same face in that crop's pixels, f = 1.

        Raises:
            ShapeError: more than one frame.
        """
        if len(image.rgb) != 1 or len(geometry) != 1:
            raise ShapeError(f"one source frame is encoded at a time, got {len(image.rgb)} and {len(geometry)}")
        if self.fill_needs is not None:
            image = self.fill_needs(image, geometry, self.needs)
        return self._encode_identity(image, geometry)

    @abc.abstractmethod
    def _encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> Identity:
        """`encode_identity` of one frame."""

    def source_notes(self, identity: Identity, geometry: FaceGeometry) -> tuple[Note, ...]:
        """What the user should know about a source that was encoded; none by default.

        Args:
            identity: the source's.
            geometry: that it was encoded from.
        """
        return ()

    def tune(self, identity: Identity, steps: int, progress: Progress) -> Identity:
        """The identity with networks optimised for this source; the same for the same source.

        Args:
            identity: the source's.
            steps: of the optimisation.
            progress: called after every step, with the stage "tuning".

        Raises:
            ConfigError: the system has nothing to tune.
        """
        raise ConfigError(f"The system {self.system!r} cannot be tuned to a source; leave the tuning out.")

    @abc.abstractmethod
    def read_motion(self, image: FaceImage | None, geometry: FaceGeometry) -> Motion:
        """Motion of the driving frames.

        Args:
            image: driving crops; None is accepted by systems that read the geometry alone.
            geometry: in pixels of any picture that stays fixed over the clip (the frame, or a fixed crop); only
                ratios to the face's size are used.
        """

    def find_neutral(self, motion: Motion) -> int:
        """Index of the frame with the weakest expression and the most frontal pose."""
        return find_neutral(motion)

    def select(self, motion: Motion, frames: slice) -> Motion:
        """Some of the frames of a motion."""
        return motion[frames]

    @abc.abstractmethod
    def retarget(self, identity: Identity, motion: Motion, neutral: Motion, mode: MotionMode) -> Driven:
        """Fit the motion to this identity.

        Args:
            identity: the source's.
            motion: f driving frames.
            neutral: one frame of the same driver, the reference of displacement and, in relative mode, of expression
                and pose. In relative mode a driver who does not move gives the source itself.
            mode: see `MotionMode`.
        """

    def read_controls(self, identity: Identity) -> PoseControls:
        """Action Units and head angles of the source itself, f = 1.

        Raises:
            ConfigError: the system cannot pose.
        """
        raise self._cannot_pose()

    def pose(self, identity: Identity, controls: PoseControls) -> Driven:
        """The source with these Action Units and head angles instead of a driver's motion.

        The head rotates about the base of its skull. The source's own controls give the source.

        Args:
            identity: the source's.
            controls: f frames on the source's device; units are clamped to 0 to 1.

        Raises:
            ConfigError: the system cannot pose.
        """
        raise self._cannot_pose()

    @abc.abstractmethod
    def render(self, identity: Identity, driven: Driven) -> Rendered:
        """Draw the frames with the system's own networks."""

    @abc.abstractmethod
    def target_mesh(self, identity: Identity, driven: Driven) -> Float[Tensor, "f 478 3"]:
        """The face in the frames that `render` draws, in half-sides of the crop."""

    def draw(self, identity: Identity, driven: Driven, driver: DrivingFaces | None = None) -> Rendered:
        """The frames of `render` with mouths and eyes painted.

        Args:
            identity: the source's.
            driven: f frames.
            driver: the f driving pictures; None for edits, or if only their geometry is known.
        """
        rendered = self.render(identity, driven)
        if self.paint is None:
            return rendered
        target = _to_pixels(self.target_mesh(identity, driven), rendered.rgb.shape[-1])
        painted = self.paint(rendered.rgb, target, identity.face, driver)
        return Rendered(rgb=painted.rgb, changed=torch.maximum(rendered.changed, painted.share))

    def draw_person(self, seed: int, truncation: float) -> Float[Tensor, "1 3 s s"]:
        """A person who does not exist, RGB in [0, 1]; the same again from the same numbers on the same machine.

        Args:
            seed: 0 or more.
            truncation: 0 draws the mean person, 1 the generator's whole variety.

        Raises:
            ConfigError: the system has no generator of people.
        """
        raise ConfigError(f"The system {self.system!r} redraws people; those who do not exist are drawn by others.")

    def _cannot_pose(self) -> ConfigError:
        return ConfigError(
            f"The system {self.system!r} takes its motion from a driver; it cannot set Action Units, angles or gaze."
        )


def _to_pixels(mesh: Float[Tensor, "f 478 3"], side: int) -> Float[Tensor, "f 478 3"]:
    """From half-sides of a crop to its pixels."""
    return (mesh + mesh.new_tensor([1.0, 1.0, 0.0])) * (side / 2)
