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

from reenact.types import CropSpec, FaceGeometry, FaceImage
from reenact.weights import WeightsInfo

Identity = TypeVar("Identity")
Motion = TypeVar("Motion")
Driven = TypeVar("Driven")

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


class Reenactor(nn.Module, abc.ABC, Generic[Identity, Motion, Driven]):
    """A system, loaded and ready. Inputs and outputs live on the module's device; nothing here needs gradients off.

    Every method accepts any number of frames f >= 1 and gives the same result for a batch as for its frames one by
    one.
    """

    system: str
    """Its id in `reenact.systems.SYSTEMS`."""
    crop: CropSpec
    """How source and driving crops are cut."""
    wants_head: bool = False
    """Whether it draws better if source crops come with `FaceImage.head`; it draws without, too."""
    wants_parsing: bool = False
    """The same for `FaceImage.parsing`."""
    wants_embedding: bool = False
    """The same for `FaceImage.embedding`."""
    wants_upright: bool = False
    """Whether sources whose head lies have to be turned upright for it; their results are turned back."""
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

    @abc.abstractmethod
    def render(self, identity: Identity, driven: Driven) -> Rendered:
        """Draw the frames."""
