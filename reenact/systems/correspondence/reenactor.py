"""The correspondence system behind the four verbs."""

import dataclasses
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.errors import ConfigError, ShapeError
from reenact.geometry.flow import draw_face, mesh_flow
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.ops.warp import resize
from reenact.systems.base import MotionMode, Reenactor, Rendered
from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.correspondence.motion import (
    MatchedIdentity,
    MeshMotion,
    find_neutral,
    match_identity,
    read_mesh_motion,
    split_identity,
)
from reenact.systems.correspondence.networks import CorrespondenceNetworks, SourceFeatures, compose, decide
from reenact.systems.layers import fold_batch_norms
from reenact.types import CropSpec, FaceGeometry, FaceImage

_MOVING_PX = 1.0
"""Largest movement of a mesh point, in pixels of the network's crop, from which on the drawing counts fully."""


_ROUNDING_PX = 0.01
"""Movement up to which a mesh is the same but for rounding."""

_ROUNDING_SHARE = 1e-5
"""By so much a share of 1 may differ from it once it has been resized."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorrespondenceIdentity:
    """A source, encoded once."""

    native_rgb: Float[Tensor, "1 3 n n"]
    """The source crop at its own size: the pixels that are warped."""
    rgb: Float[Tensor, "1 3 s s"]
    """The same at the network's side."""
    features: SourceFeatures
    mesh: Float[Tensor, "1 478 3"]
    """In half-sides of the crop."""
    matched: MatchedIdentity


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivenMesh:
    """Identity-matched target meshes."""

    mesh: Float[Tensor, "f 478 3"]
    """In half-sides of the source crop."""


class CorrespondenceReenactor(Reenactor[CorrespondenceIdentity, MeshMotion, DrivenMesh]):
    """Warps the source along learned correspondences of identity-matched PNCCs, and draws what it does not show."""

    system = "correspondence"

    def __init__(self, config: CorrespondenceConfig, morphable: MorphableModel | None = None) -> None:
        """Untrained networks of `config`; the embedded morphable model unless another is given."""
        super().__init__()
        self.config = config
        self.crop = config.crop
        self.networks: CorrespondenceNetworks = CorrespondenceNetworks(config)
        self.morphable = load_morphable() if morphable is None else morphable

    @classmethod
    def from_config(cls, network: dict[str, Any]) -> "CorrespondenceReenactor":
        """Untrained, with the sizes of a ``config.json``'s "network" section.

        Raises:
            ConfigError: fields that this version does not know.
        """
        try:
            fields = dict(network)
            crop = CropSpec(**fields.pop("crop", {}))
            widths = tuple(fields.pop("widths"))
            return cls(CorrespondenceConfig(crop=crop, widths=widths, **fields))
        except (TypeError, KeyError) as error:
            raise ConfigError(f"This is no configuration of the correspondence system: {error}.") from error

    def prepare(self) -> None:
        """Fold batch norms into convolutions and lay the weights out for the CPU; call once, after loading."""
        self.eval().requires_grad_(False)
        fold_batch_norms(self.networks)
        self.networks = self.networks.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> CorrespondenceIdentity:
        if len(image.rgb) != 1 or len(geometry) != 1:
            raise ShapeError(f"one source frame is encoded at a time, got {len(image.rgb)} and {len(geometry)}")
        side = image.rgb.shape[-1]
        mesh = to_half_sides(geometry.mesh_px, side)
        rgb = resize(image.rgb, self.crop.network_px).clamp(0, 1)
        maps = draw_face(self.morphable, mesh, self.crop.network_px // 2).stacked
        return CorrespondenceIdentity(
            native_rgb=image.rgb,
            rgb=rgb,
            features=self.networks.encode_source(rgb, maps),
            mesh=mesh,
            matched=split_identity(self.morphable, mesh),
        )

    def read_motion(self, image: FaceImage | None, geometry: FaceGeometry) -> MeshMotion:
        return read_mesh_motion(self.morphable, geometry.mesh_px)

    def find_neutral(self, motion: MeshMotion) -> int:
        return find_neutral(motion)

    def select(self, motion: MeshMotion, frames: slice) -> MeshMotion:
        return motion[frames]

    def retarget(
        self, identity: CorrespondenceIdentity, motion: MeshMotion, neutral: MeshMotion, mode: MotionMode
    ) -> DrivenMesh:
        return DrivenMesh(mesh=match_identity(self.morphable, identity.matched, motion, neutral, mode))

    def render(self, identity: CorrespondenceIdentity, driven: DrivenMesh) -> Rendered:
        count = len(driven.mesh)
        flow = mesh_flow(self.morphable, identity.mesh, driven.mesh, self.crop.network_px // 2)
        features = SourceFeatures(
            levels=tuple(level.expand(count, -1, -1, -1) for level in identity.features.levels),  # type: ignore[arg-type]
            keys=identity.features.keys,
        )
        drawn = self.networks(
            features,
            identity.rgb.expand(count, -1, -1, -1),
            flow.target.stacked,
            flow.displacement,
            flow.visible,
        )
        matte = keep_still(decide(drawn.matte), identity.mesh, driven.mesh, self.crop.network_px)
        drawn = drawn._replace(matte=matte)
        native = identity.native_rgb.expand(count, -1, -1, -1)
        untouched = resize(drawn.matte[:, 1:2], native.shape[-1])
        kept = untouched > 1 - _ROUNDING_SHARE
        rgb = torch.where(kept, native, compose(drawn, native, "bicubic"))
        return Rendered(rgb=rgb, changed=(1 - untouched).masked_fill(kept, 0))


def keep_still(
    matte: Float[Tensor, "f 3 s s"],
    source: Float[Tensor, "1 478 3"],
    target: Float[Tensor, "f 478 3"],
    network_px: int,
) -> Float[Tensor, "f 3 s s"]:
    """Hand the picture back to the untouched source where no point of the mesh moves by a pixel of the crop.

    A face that does not move is then the source itself, bit for bit, and one that begins to move fades in.
    """
    moved_px = (target - source)[..., :2].norm(dim=-1).amax(dim=1) * (network_px / 2)
    moved_px = moved_px * (moved_px > _ROUNDING_PX)
    share = (moved_px / _MOVING_PX).clamp(0, 1)[:, None, None, None]
    untouched = matte.new_tensor([0.0, 1.0, 0.0])[:, None, None]
    return matte * share + untouched * (1 - share)


def to_half_sides(mesh_px: Float[Tensor, "f 478 3"], side: int) -> Float[Tensor, "f 478 3"]:
    """Crop pixels -> half-sides: x and y from -1 to 1 over the crop, z on the same scale around 0."""
    scale = 2 / side
    return mesh_px * scale - mesh_px.new_tensor([1.0, 1.0, 0.0])
