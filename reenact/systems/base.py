"""The one interface of all reenactment systems: four verbs.

    source crop + geometry ── encode_identity ──▶ Identity      (once per source, kept)
    driving geometry ──────── read_motion ──────▶ Motion        (per frame, batched)
    Identity + Motion ─────── retarget ─────────▶ Driven        (the motion, fitted to this face)
    Identity + Driven ─────── render ───────────▶ Rendered      (pixels at the source crop's own size)

`Identity`, `Motion` and `Driven` are each system's own frozen dataclasses; nobody else looks inside them.
"""

import abc
import dataclasses
from typing import Any, Generic, Literal, TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from reenact.errors import ConfigError
from reenact.types import CropSpec, FaceGeometry, FaceImage
from reenact.weights import WeightsInfo

Identity = TypeVar("Identity")
Motion = TypeVar("Motion")
Driven = TypeVar("Driven")

Need = Literal["head", "parsing", "embedding", "upright"]
"""What a system would like of a source crop. head, parsing, embedding: these fields of `FaceImage`; it draws without
them, too, but less well. upright: sources whose head lies on its side are turned, and the results turned back."""

MotionMode = Literal["absolute", "relative"]
"""absolute: the driving face's expression and rotation as they are, its displacement and growth since the neutral
frame. relative: only what changed since the neutral frame, added to the source's own expression and pose."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendered:
    """Result crops, in the place and at the size of the source crop."""

    rgb: Float[Tensor, "f 3 s s"]
    """RGB in [0, 1]; s is the side of the source `FaceImage`."""
    changed: Float[Tensor, "f 1 s s"]
    """0 where the source's pixel was kept untouched, 1 where it was redrawn; paste-back fades along it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoseControls:
    """What f frames of a face shall do, or what a face does (f = 1)."""

    action_units: Float[Tensor, "f 17 2"]
    """In the order of `ACTION_UNITS`, 0 to 1, the person's left and right."""
    angles_rad: Float[Tensor, "f 3"]
    """Pitch, yaw, roll of the head; `reenact.types.head_angles_rad`."""


class Reenactor(nn.Module, abc.ABC, Generic[Identity, Motion, Driven]):
    """A system, loaded and ready. Inputs and outputs live on the module's device; nothing here needs gradients off.

    Every method accepts any number of frames f >= 1 and gives the same result for a batch as for its frames one by
    one.
    """

    system: str
    """Its id in `reenact.systems.catalog.CATALOG`."""
    crop: CropSpec
    """How source and driving crops are cut."""
    needs: frozenset[Need] = frozenset()
    """What it would like of a source crop."""
    can_pose: bool = False
    """Whether it has `read_controls` and `pose`."""
    networks: Any  # an nn.Module of the system's own class
    """The trained part: what a checkpoint holds."""
    weights: WeightsInfo | None = None
    """Where the weights came from; None for a system that `reenact.load` did not make."""

    @classmethod
    @abc.abstractmethod
    def from_config(cls, network: dict[str, Any]) -> "Reenactor[Any, Any, Any]":
        """Untrained, with the sizes of a ``config.json``'s "network" section."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Make the loaded networks fast (folded norms, memory layout); called once, before the first verb."""

    @abc.abstractmethod
    def encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> Identity:
        """All that is needed of the source, computed once.

        Args:
            image: one frame (f = 1), any side >= 64.
            geometry: the same face in that crop's pixels, f = 1.
        """

    @abc.abstractmethod
    def read_motion(self, image: FaceImage | None, geometry: FaceGeometry) -> Motion:
        """What the driving frames do.

        Args:
            image: driving crops; None is accepted by systems that read the geometry alone.
            geometry: in pixels of any picture that stays fixed over the clip (the frame, or a fixed crop); only
                ratios to the face's size are used.
        """

    @abc.abstractmethod
    def find_neutral(self, motion: Motion) -> int:
        """Index of the frame with the weakest expression and the most frontal pose."""

    @abc.abstractmethod
    def select(self, motion: Motion, frames: slice) -> Motion:
        """Some of the frames of a motion."""

    @abc.abstractmethod
    def retarget(self, identity: Identity, motion: Motion, neutral: Motion, mode: MotionMode) -> Driven:
        """Fit the motion to this identity.

        Args:
            identity: the source's.
            motion: f driving frames.
            neutral: one frame of the same driver, the reference of displacement and, in relative mode, of expression
                and pose. A driver who does not move gives, in relative mode, the source itself.
            mode: see `MotionMode`.
        """

    def read_controls(self, identity: Identity) -> PoseControls:
        """What the source itself does, f = 1.

        Raises:
            ConfigError: the system cannot pose.
        """
        raise self._cannot_pose()

    def pose(self, identity: Identity, controls: PoseControls) -> Driven:
        """The source with these Action Units and head angles instead of a driver's motion.

        The head keeps its size and turns about the base of its skull. The source's own controls give the source.

        Args:
            identity: the source's.
            controls: f frames on the source's device; units are clamped to 0 to 1.

        Raises:
            ConfigError: the system cannot pose.
        """
        raise self._cannot_pose()

    def _cannot_pose(self) -> ConfigError:
        return ConfigError(
            f"The system {self.system!r} takes its motion from a driver; it cannot set Action Units or head angles."
        )

    @abc.abstractmethod
    def render(self, identity: Identity, driven: Driven) -> Rendered:
        """Draw the frames."""
