"""Networks of the correspondence system.

After "High-Fidelity Face Reenactment via Identity-Matched Correspondence Learning" (TOMM 2023). Its abstract names the
parts; the equations are this project's (README.md).

    source rgb + PNCC ─▶ SourceEncoder ─▶ s1 s2 s3                       (1/4 1/8 1/16; once per source)
    source PNCC (+ s3) ─▶ E ─▶ keys ──┐
    target PNCC (+ t3) ─▶ E ─▶ queries┴▶ correlation ─▶ soft correspondence at 1/16 ─▶ first residual of the flow
    target maps, source warped by mesh flow ─▶ TargetEncoder ─▶ t1 t2 t3
    decoder 1/16 ─▶ 1/4: at each level the warped source features modulate the target's, gated by visibility (feature
    transformation); each level refines the flow; the last level also gives colour and its share.

The networks learn a residual on the mesh flow, which is known at 1/2 of the crop's side. They start at 1/4, where wide
layers are cheap on a CPU; pixel shuffle brings colour and share to the full side.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.ops.warp import identity_grid, resize, warp
from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.layers import GatedModulation, ResidualBlock, conv_norm, zero_conv

SOURCE_MAPS = 6
"""Channels of `FaceMaps.stacked`."""
TARGET_MAPS = 12
"""Target maps 6, mesh flow 2, visibility 1, source colours warped by the mesh flow 3."""


class SourceFeatures(NamedTuple):
    """Features of a source, computed once."""

    levels: tuple[Tensor, Tensor, Tensor]
    """(f, widths[i], s / 2^(i+2), ...)."""
    keys: Float[Tensor, "f n k"]
    """Unit features at 1/16 of the side, row by row."""


class DrawnFace(NamedTuple):
    """Output of the networks, at the network's side unless said otherwise."""

    displacement: Float[Tensor, "f 2 h w"]
    """Refined flow to the source in half-sides, at half the side."""
    generated: Float[Tensor, "f 1 s s"]
    """Share of the generated colour; the rest is the warped source."""
    colour: Float[Tensor, "f 3 s s"]
    """Generated RGB in [0, 1]."""
    matched: Float[Tensor, "f 2 m m"]
    """Flow of the soft correspondence alone, at 1/16; a loss compares it with the mesh flow."""


class Pyramid(nn.Module):
    """Features at 1/4, 1/8 and 1/16 of the crop's side from an input at 1/4."""

    def __init__(self, inputs: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.first = nn.Sequential(conv_norm(inputs, widths[0]), ResidualBlock(widths[0]))
        self.second = nn.Sequential(conv_norm(widths[0], widths[1], stride=2), ResidualBlock(widths[1]))
        self.third = nn.Sequential(conv_norm(widths[1], widths[2], stride=2), ResidualBlock(widths[2]))

    def forward(self, x: Float[Tensor, "f c h w"]) -> tuple[Tensor, Tensor, Tensor]:
        first = self.first(x)
        second = self.second(first)
        return first, second, self.third(second)


class MatchEncoder(nn.Module):
    """E: PNCC and parts at 1/4 -> unit features at 1/16. Source and target share it; each adds its own appearance."""

    def __init__(self, width: int, appearance: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(conv_norm(4 * (SOURCE_MAPS + 2), width, stride=2), conv_norm(width, width, stride=2))
        self.appearance = nn.Conv2d(appearance, width, 1)
        self.to_feature = nn.Conv2d(width, width, 1)

    def forward(self, maps: Float[Tensor, "f 6 h w"], appearance: Float[Tensor, "f a i j"]) -> Float[Tensor, "f n k"]:
        place = identity_grid(*maps.shape[-2:], like=maps).expand(len(maps), -1, -1, -1)
        x = functional.pixel_unshuffle(torch.cat([maps, place], 1), 2)
        feature = self.to_feature(self.maps(x) + self.appearance(appearance))
        return functional.normalize(feature.flatten(2).transpose(1, 2).float(), dim=-1)


class DecoderLevel(nn.Module):
    """Joins the coarser level, the target's features and the warped source features; refines the flow."""

    def __init__(self, coarse: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.join = conv_norm(coarse + channels, channels)
        self.transform = GatedModulation(channels, channels, kernel=3)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.to_flow = zero_conv(channels, 2)

    def forward(
        self,
        coarse: Tensor,
        target: Tensor,
        source: Tensor,
        visible: Tensor,
        mesh_displacement: Tensor,
        residual: Tensor,
    ) -> tuple[Tensor, Tensor]:
        side = target.shape[-1]
        if coarse.shape[-1] != side:
            coarse = functional.interpolate(coarse, scale_factor=2, mode="nearest")
            residual = functional.interpolate(residual, scale_factor=2, mode="bilinear", align_corners=False)
        h = self.join(torch.cat([coarse, target], 1))
        warped = warp(source.float(), resize(mesh_displacement, side) + residual).to(h.dtype)
        h = self.blocks(self.transform(h, warped, resize(visible, side).to(h.dtype)))
        return h, residual + self.to_flow(h).float() * 0.1


class CorrespondenceNetworks(nn.Module):
    """Source encoder, matcher, target encoder and decoder."""

    def __init__(self, config: CorrespondenceConfig) -> None:
        super().__init__()
        self.config = config
        c1, c2, c3 = config.widths
        self.source_encoder = Pyramid(4 * (12 + SOURCE_MAPS), config.widths)
        self.target_encoder = Pyramid(4 * TARGET_MAPS, config.widths)
        self.matcher = MatchEncoder(config.match_width, c3)
        self.log_temperature = nn.Parameter(torch.tensor(1.5))
        self.log_reach = nn.Parameter(torch.tensor(-2.0))
        self.level3 = DecoderLevel(c3, c3, 2 * config.blocks)
        self.level2 = DecoderLevel(c3, c2, config.blocks)
        self.level1 = DecoderLevel(c2, c1, config.blocks)
        self.to_picture = nn.Conv2d(c1, 16 * 4, 3, padding=1)

    def encode_source(self, rgb: Float[Tensor, "f 3 s s"], maps: Float[Tensor, "f 6 h w"]) -> SourceFeatures:
        """Features of a source crop (RGB in [0, 1], at the network's side) and its maps at half that side."""
        x = torch.cat([functional.pixel_unshuffle(rgb * 2 - 1, 2), maps], 1)
        levels = self.source_encoder(functional.pixel_unshuffle(x, 2))
        return SourceFeatures(levels=levels, keys=self.matcher(maps, levels[2]))

    def forward(
        self,
        source: SourceFeatures,
        rgb: Float[Tensor, "f 3 s s"],
        target_maps: Float[Tensor, "f 6 h w"],
        mesh_displacement: Float[Tensor, "f 2 h w"],
        visible: Float[Tensor, "f 1 h w"],
    ) -> DrawnFace:
        """Draw the target.

        Args:
            source: of `encode_source`.
            rgb: the same source crop.
            target_maps: `FaceMaps.stacked` of the identity-matched target mesh, at half the side.
            mesh_displacement: of `reenact.geometry.flow.mesh_flow`.
            visible: likewise.
        """
        seen = warp(resize(rgb, mesh_displacement.shape[-1]), mesh_displacement)
        x = torch.cat([target_maps, mesh_displacement * 4, visible, seen * 2 - 1], 1)
        t1, t2, t3 = self.target_encoder(functional.pixel_unshuffle(x, 2))
        s1, s2, s3 = source.levels
        queries = self.matcher(target_maps, t3)
        residual = self.match(queries, source.keys, mesh_displacement, t3.shape[-1])
        matched = residual + resize(mesh_displacement, t3.shape[-1])
        h, residual = self.level3(t3, t3, s3, visible, mesh_displacement, residual)
        h, residual = self.level2(h, t2, s2, visible, mesh_displacement, residual)
        h, residual = self.level1(h, t1, s1, visible, mesh_displacement, residual)
        fine = functional.interpolate(residual, size=mesh_displacement.shape[-2:], mode="bilinear", align_corners=False)
        picture = functional.pixel_shuffle(self.to_picture(h).float(), 4)
        return DrawnFace(
            displacement=mesh_displacement + fine,
            generated=torch.sigmoid(picture[:, :1] * 2 - 3),
            colour=torch.sigmoid(picture[:, 1:] * 2),
            matched=matched,
        )

    def match(
        self, queries: Float[Tensor, "f n k"], keys: Float[Tensor, "#f n k"], mesh_displacement: Tensor, side: int
    ) -> Float[Tensor, "f 2 {side} {side}"]:
        """Soft correspondence as a difference from the mesh flow.

        It is the mean source place under softmax(correlation * tau - distance^2 / reach^2). Distances count from where
        the mesh flow points, so that places off the mesh (hair, neck) cannot jump across the picture. The mean under a
        flat correlation is subtracted: near the border it points inwards.
        """
        place = identity_grid(side, side, like=mesh_displacement).flatten(1).T
        prior = resize(mesh_displacement, side).flatten(2).transpose(1, 2) + place
        distance = prior.square().sum(-1, keepdim=True) - 2 * prior @ place.T + place.square().sum(-1)
        nearness = -distance * torch.exp(-2 * self.log_reach)
        correlation = queries @ keys.transpose(1, 2) * self.log_temperature.exp()
        found = torch.softmax(nearness + correlation, dim=-1) @ place
        flat = torch.softmax(nearness, dim=-1) @ place
        return (found - flat).transpose(1, 2).unflatten(2, (side, side))


def mix(drawn: DrawnFace, warped: Float[Tensor, "f 3 n n"]) -> Float[Tensor, "f 3 n n"]:
    """The head's picture at any side n: the warped source, and generated colour where the source hides the surface.

    Args:
        drawn: of the networks.
        warped: the source at its own size, warped by `DrawnFace.displacement`.
    """
    colour, share = (resize(each, warped.shape[-1]) for each in (drawn.colour, drawn.generated))
    return torch.lerp(warped, colour, share)
