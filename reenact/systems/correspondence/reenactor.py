"""Correspondence as a `Reenactor`."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.flow import draw_face, mesh_flow
from reenact.geometry.matching import (
    MatchedIdentity,
    MeshMotion,
    match_identity,
    read_mesh_motion,
    split_identity,
)
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.placement import to_half_sides
from reenact.ops.warp import resize
from reenact.systems.base import EncodedCrop, MotionMode, Reenactor, Rendered
from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.correspondence.networks import CorrespondenceNetworks, SourceFeatures, compose, sharpen_matte
from reenact.systems.stillness import moved_share
from reenact.types import FaceGeometry, FaceImage

_ROUNDING_SHARE = 1e-5
"""Resizing may change a share of 1 by this much."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorrespondenceIdentity(EncodedCrop):
    """A source, encoded once."""

    features: SourceFeatures
    matched: MatchedIdentity


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivenMesh:
    """Identity-matched target meshes."""

    mesh: Float[Tensor, "f 478 3"]
    """In half-sides of the source crop."""


class CorrespondenceReenactor(Reenactor[CorrespondenceIdentity, MeshMotion, DrivenMesh]):
    """Warps the source along learned correspondences of identity-matched PNCCs, and draws what the source hides."""

    system = "correspondence"
    config_class = CorrespondenceConfig

    def __init__(self, config: CorrespondenceConfig, morphable: MorphableModel | None = None) -> None:
        """Untrained networks of `config`; the embedded morphable model if None."""
        super().__init__()
        self.config = config
        self.crop = config.crop
        self.networks: CorrespondenceNetworks = CorrespondenceNetworks(config)
        self.morphable = load_morphable() if morphable is None else morphable

    def _encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> CorrespondenceIdentity:
        mesh = to_half_sides(geometry.mesh_px, image.rgb.shape[-1])
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

    def retarget(
        self, identity: CorrespondenceIdentity, motion: MeshMotion, neutral: MeshMotion, mode: MotionMode
    ) -> DrivenMesh:
        relative = mode == "relative"
        return DrivenMesh(mesh=match_identity(self.morphable, identity.matched, motion, neutral, relative=relative))

    def target_mesh(self, identity: CorrespondenceIdentity, driven: DrivenMesh) -> Float[Tensor, "f 478 3"]:
        return driven.mesh

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
        moved = moved_share(identity.mesh, driven.mesh, self.crop.network_px)
        drawn = drawn._replace(matte=fade_to_source(sharpen_matte(drawn.matte), moved))
        native = identity.native_rgb.expand(count, -1, -1, -1)
        untouched = resize(drawn.matte[:, 1:2], native.shape[-1])
        kept = untouched > 1 - _ROUNDING_SHARE
        rgb = torch.where(kept, native, compose(drawn, native, "bicubic"))
        return Rendered(rgb=rgb, changed=(1 - untouched).masked_fill(kept, 0))


def fade_to_source(matte: Float[Tensor, "f 3 s s"], moved: Float[Tensor, "f 1 1 1"]) -> Float[Tensor, "f 3 s s"]:
    """Give the share `1 - moved` of the picture back to the untouched source."""
    untouched = matte.new_tensor([0.0, 1.0, 0.0])[:, None, None]
    return matte * moved + untouched * (1 - moved)
