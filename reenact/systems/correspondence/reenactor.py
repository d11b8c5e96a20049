"""Correspondence as a `Reenactor`."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.flow import draw_face
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
from reenact.portrait.compose import Rendered, carry_body, compose, warp_head
from reenact.portrait.head import move_head
from reenact.portrait.portrait import portrait_of
from reenact.portrait.stillness import far_pixels, moved_share, moving_pixels
from reenact.systems.base import EncodedCrop, MotionMode, Reenactor
from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.correspondence.networks import CorrespondenceNetworks, SourceFeatures, mix
from reenact.types import FaceGeometry, FaceImage


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
    needs = frozenset({"parsing"})

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
            portrait=portrait_of(self.morphable, image, mesh),
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
        count, portrait, side = len(driven.mesh), identity.portrait, self.crop.network_px
        flow = move_head(self.morphable, portrait.shape, driven.mesh, side // 2, portrait.unfolded)
        features = SourceFeatures(
            levels=tuple(level.expand(count, -1, -1, -1) for level in identity.features.levels),  # type: ignore[arg-type]
            keys=identity.features.keys,
        )
        drawn = self.networks(
            features, identity.rgb.expand(count, -1, -1, -1), flow.target.stacked, flow.displacement, flow.visible
        )
        displacement = flow.refine(drawn.displacement)
        head = warp_head(portrait, displacement, flow)
        head = head._replace(rgb=mix(drawn, head.rgb))
        moved = moved_share(identity.mesh, driven.mesh, side)
        bend = carry_body(portrait, displacement, flow)
        moving = torch.maximum(*(moving_pixels(each, side) for each in (displacement, bend)))
        return compose(portrait, head, moving * moved, far_pixels(displacement, side), bend, flow)
