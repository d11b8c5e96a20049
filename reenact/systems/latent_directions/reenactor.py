"""Latent directions as a `Reenactor`."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.errors import Note
from reenact.geometry.matching import MatchedIdentity, MeshMotion, match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.placement import to_half_sides
from reenact.ops.warp import identity_grid, resize
from reenact.portrait.compose import Rendered, carry_body, compose, warp_head
from reenact.portrait.head import move_head
from reenact.portrait.portrait import portrait_of
from reenact.portrait.stillness import far_pixels, moved_share, moving_pixels
from reenact.systems.base import EncodedCrop, FillNeeds, MotionMode, Progress, Reenactor
from reenact.systems.catalog import DEFAULT_SYSTEM
from reenact.systems.latent_directions.aligned import (
    FaceState,
    invert_similarity,
    move_mesh,
    read_state,
    sample_picture,
)
from reenact.systems.latent_directions.config import LatentDirectionsConfig
from reenact.systems.latent_directions.generator import Generator
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks, blend
from reenact.systems.latent_directions.people import seeded_z
from reenact.systems.latent_directions.tuning import tune_generator
from reenact.types import FaceGeometry, FaceImage

POOR_INVERSION = 0.7
"""Similarity of faces below which an inversion is called poor: that of four among 167 validation people (mean 0.86),
whose pictures are mostly black."""
_FADE = 0.15
"""Width, half-sides, over which the drawn picture ends at the border of the aligned crop."""


def _fade_out(like: Float[Tensor, "f 1 a a"]) -> Float[Tensor, "a a"]:
    """1 inside the aligned crop, 0 at its border."""
    x, y = ((1 - each.abs()) / _FADE for each in identity_grid(*like.shape[-2:], like=like))
    return torch.minimum(x, y).clamp(max=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentIdentity(EncodedCrop):
    """A source, inverted once."""

    w: Float[Tensor, "1 n l"]
    """w_s of each layer."""
    state: FaceState
    matched: MatchedIdentity
    generator: Generator | None = None
    """Tuned to this source."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivenFace:
    """Identity-matched target meshes."""

    mesh: Float[Tensor, "f 478 3"]
    """In half-sides of the source crop."""


class LatentDirectionsReenactor(Reenactor[LatentIdentity, MeshMotion, DrivenFace]):
    """Draws the source with a generator whose latent code is shifted by what the driver's face does."""

    system = "latent_directions"
    config_class = LatentDirectionsConfig
    needs = frozenset({"parsing"})

    def __init__(self, config: LatentDirectionsConfig, morphable: MorphableModel | None = None) -> None:
        """Untrained networks of `config`; the embedded morphable model if None."""
        super().__init__()
        self.config = config
        self.crop = config.crop
        self.networks: LatentDirectionsNetworks = LatentDirectionsNetworks(config)
        self.morphable = load_morphable() if morphable is None else morphable

    def _encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> LatentIdentity:
        mesh = to_half_sides(geometry.mesh_px, image.rgb.shape[-1])
        rgb = resize(image.rgb, self.crop.network_px).clamp(0, 1)
        state = read_state(self.morphable, mesh, self.config.expressions)
        return LatentIdentity(
            portrait=portrait_of(self.morphable, image, mesh),
            rgb=rgb,
            mesh=mesh,
            w=self.networks.encoder(self.aligned(rgb, state))[0],
            state=state,
            matched=split_identity(self.morphable, mesh),
        )

    def source_notes(self, identity: LatentIdentity, geometry: FaceGeometry) -> tuple[Note, ...]:
        if self.fill_needs is None:
            return ()
        likeness = self.inversion_likeness(identity, geometry, self.fill_needs)
        if likeness >= POOR_INVERSION:
            return ()
        return (
            Note(
                f"The inversion of this picture is poor: the face that the generator draws resembles the source's by "
                f"{likeness:.2f}, usually 0.86. Parts that the picture hides will look wrong; take the system "
                f"{DEFAULT_SYSTEM}."
            ),
        )

    def tune(self, identity: LatentIdentity, steps: int, progress: Progress) -> LatentIdentity:
        source = self.aligned(identity.rgb, identity.state)
        tuned = tune_generator(self.networks, identity.w, source, steps, progress)
        return dataclasses.replace(identity, generator=tuned)

    def inversion_likeness(self, identity: LatentIdentity, geometry: FaceGeometry, fill_needs: FillNeeds) -> float:
        """Similarity of the source's face and its inversion, drawn where it is, by face codes; at most 1.

        Args:
            identity: the source's.
            geometry: that it was encoded from.
            fill_needs: embeds faces.
        """
        source, side = self.aligned(identity.rgb, identity.state), self.config.side
        drawn = self.networks.refine(identity.w, source, torch.ones_like(source[:, :1]), identity.generator).rgb.clamp(
            0, 1
        )
        mesh = move_mesh(identity.mesh, identity.state.aligned_from_mesh)
        mesh_px = (mesh + mesh.new_tensor([1.0, 1.0, 0.0])) * (side / 2)
        faces = FaceGeometry.cat([dataclasses.replace(geometry, mesh_px=mesh_px)] * 2)
        both = FaceImage(rgb=torch.cat([source, drawn]), crop_from_frame=torch.eye(3).to(drawn).expand(2, -1, -1))
        codes = fill_needs(both, faces, frozenset({"embedding"})).embedding
        assert codes is not None
        return float(codes[0] @ codes[1])

    def aligned(self, rgb: Float[Tensor, "f 3 s s"], state: FaceState) -> Float[Tensor, "f 3 a a"]:
        """The aligned crop of pictures, twice as fine and then averaged, against aliasing."""
        cut = sample_picture(rgb, invert_similarity(state.aligned_from_mesh), 2 * self.config.side)
        return functional.avg_pool2d(cut, 2)

    def read_motion(self, image: FaceImage | None, geometry: FaceGeometry) -> MeshMotion:
        return read_mesh_motion(self.morphable, geometry.mesh_px)

    def retarget(
        self, identity: LatentIdentity, motion: MeshMotion, neutral: MeshMotion, mode: MotionMode
    ) -> DrivenFace:
        relative = mode == "relative"
        return DrivenFace(mesh=match_identity(self.morphable, identity.matched, motion, neutral, relative=relative))

    def target_mesh(self, identity: LatentIdentity, driven: DrivenFace) -> Float[Tensor, "f 478 3"]:
        return driven.mesh

    def draw_person(self, seed: int, truncation: float) -> Float[Tensor, "1 3 s s"]:
        z = seeded_z(seed, self.config.latent).to(next(self.parameters()).device)
        return self.networks.generator(self.networks.sample_w(z, truncation)).clamp(0, 1)

    def render(self, identity: LatentIdentity, driven: DrivenFace) -> Rendered:
        portrait, side = identity.portrait, self.crop.network_px
        flow = move_head(self.morphable, portrait.shape, driven.mesh, side // 2, portrait.unfolded)
        head = warp_head(portrait, flow.displacement, flow)
        state = read_state(self.morphable, driven.mesh, self.config.expressions)
        warped = self.aligned(resize(head.rgb, side), state)
        seen = sample_picture(flow.visible, invert_similarity(state.aligned_from_mesh), self.config.side, "border")
        change = state.values - identity.state.values
        w = identity.w + self.networks.directions(change)
        drawn = self.networks.refine(w, warped, seen, identity.generator)
        n = portrait.rgb.shape[-1]
        layers = torch.cat([drawn.rgb, drawn.share * _fade_out(drawn.share)], 1)
        placed = sample_picture(layers, state.aligned_from_mesh, n, "zeros")
        head = head._replace(rgb=blend(head.rgb, placed[:, :3], placed[:, 3:]).clamp(0, 1))
        moved = moved_share(identity.mesh, driven.mesh, side)
        bend = carry_body(portrait, flow.displacement, flow)
        moving = torch.maximum(*(moving_pixels(each, side) for each in (flow.displacement, bend)))
        return compose(portrait, head, moving * moved, far_pixels(flow.displacement, side), bend, flow)
