"""Networks of FACEGAN: "Facial Attribute Controllable rEenactment GAN" (Tripathy, Kannala, Rahtu; WACV 2021).

    landmarks l_s, motion AU_d ──▶ L_T ──▶ l_t = l_s + delta                                 section 3.1
    source I_s, landmark map H_t ──▶ G_r ──▶ I_fr, S_fr (background, face, hair)             section 3.2
    I'_fr (I_fr without background), I_b (I_s without head) ──▶ G_b ──▶ I_c, M               section 3.3
    I_r = M I_c + (1 - M) I_b                                                                equation 9

Two options go beyond the paper (`FaceganConfig`). With `source_warp`, G_r sees the source and its features warped along
source -> target landmarks (`rig.py`), and mixes warped pixels with drawn ones. With `layered` there is no G_b:
`reenact.portrait.compose` lays the head over the ground.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.geometry.landmarks import gaussian_maps
from reenact.ops.warp import resize, warp
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.landmarks import POINTS
from reenact.systems.layers import Encoder, UNet, conv_norm, zero_conv

SEGMENTS = ("background", "face", "hair")
"""Order of S_fr. Ears, neck and clothes count as background, as in the paper's figure 4."""

WARP_MAPS = 9
"""Channels of the target at half the crop's side, besides H_t: mesh flow 2, visibility 1, parts 3, warped source 3."""

_SIGMA_SHARE = 1.5 / 128
"""Standard deviation of the landmarks' Gaussians, share of the picture's side."""


class LandmarkTransformer(nn.Module):
    """L_T: fully connected; normalised landmarks and motion -> displacement of the landmarks."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.anchored = config.anchored
        width = config.transformer_width
        self.enter = nn.Linear(2 * POINTS + config.motion_length, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(config.transformer_layers - 1))
        self.leave = nn.Linear(width, 2 * POINTS)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        landmarks: Float[Tensor, "f 68 2"],
        motion: Float[Tensor, "f m"],
        own_motion: Float[Tensor, "f m"],
    ) -> Float[Tensor, "f 68 2"]:
        """delta l_s, of `normalise_landmarks`.

        Args:
            landmarks: of the source, normalised.
            motion: of the target (`motion_vector`).
            own_motion: of the source itself; read only if anchored. Equal motions give a delta of zero.
        """
        if not self.anchored:
            return self.predict(landmarks, motion)
        target, own = self.predict(landmarks.repeat(2, 1, 1), torch.cat([motion, own_motion])).chunk(2)
        return target - own

    def predict(self, landmarks: Float[Tensor, "f 68 2"], motion: Float[Tensor, "f m"]) -> Float[Tensor, "f 68 2"]:
        x = functional.silu(self.enter(torch.cat([landmarks.flatten(1), motion], 1)))
        for layer in self.hidden:
            x = x + functional.silu(layer(x))
        return self.leave(x).unflatten(1, (POINTS, 2))


class TargetMaps(NamedTuple):
    """The target, as G_r sees it."""

    heat: Float[Tensor, "f 1 h w"]
    """H_t, of `landmark_map`: at the crop's side, or at half of it with `source_warp`."""
    displacement: Float[Tensor, "f 2 h w"] | None
    """Flow of `reenact.geometry.flow.mesh_flow` from the source's to the rigged mesh; None without `source_warp`."""
    visible: Float[Tensor, "f 1 h w"] | None
    parts: Float[Tensor, "f 3 h w"] | None


class DrawnFace(NamedTuple):
    """Output of G_r."""

    colour: Float[Tensor, "f 3 s s"]
    """Generated RGB in [0, 1]; without `source_warp` it is I_fr."""
    segments: Float[Tensor, "f 3 s s"]
    """Logits of `SEGMENTS`."""
    displacement: Float[Tensor, "f 2 h w"] | None
    """Refined flow to the source in half-sides, at half the side."""
    matte: Float[Tensor, "f 1 s s"] | None
    """Share of the warped source; the rest is generated."""

    @property
    def foreground(self) -> Float[Tensor, "f 1 s s"]:
        """Probability of face or hair."""
        return 1 - torch.softmax(self.segments.float(), 1)[:, :1]


class FaceReenactor(nn.Module):
    """G_r: draws the source's head under the target landmarks."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.source_warp, self.reduction = config.source_warp, config.reduction
        widths, folded = config.widths, config.reduction**2
        self.source_encoder = None
        if config.source_warp:
            self.source_encoder = Encoder(3 * folded, widths, norm=config.norm)
            self.to_flow = nn.ModuleList(zero_conv(width, 2) for width in widths)
            inputs = (1 + WARP_MAPS) * folded // 4
        else:
            inputs = 4 * folded
        self.unet = UNet(inputs, widths, blocks=config.blocks, beside=config.source_warp, norm=config.norm)
        self.to_picture = nn.Conv2d(widths[0], folded * (4 if config.source_warp else 3), 3, padding=1)
        self.to_segments = nn.Sequential(
            conv_norm(widths[0], widths[0] // 2, norm=config.norm), nn.Conv2d(widths[0] // 2, folded * 3, 3, padding=1)
        )

    def encode_source(self, rgb: Float[Tensor, "f 3 s s"]) -> list[Tensor] | None:
        """Features of a source crop (RGB in [0, 1]), once per source; None without `source_warp`."""
        if self.source_encoder is None:
            return None
        return self.source_encoder(functional.pixel_unshuffle(rgb * 2 - 1, self.reduction))

    def forward(self, features: list[Tensor] | None, rgb: Float[Tensor, "#f 3 s s"], target: TargetMaps) -> DrawnFace:
        """Draw the target.

        Args:
            features: of `encode_source`.
            rgb: the same source crop.
            target: its maps.
        """
        if features is None:
            rgb = rgb.expand(len(target.heat), -1, -1, -1)
            h = self.unet(functional.pixel_unshuffle(torch.cat([rgb * 2 - 1, target.heat], 1), self.reduction))
            picture = functional.pixel_shuffle(self.to_picture(h).float(), self.reduction)
            return DrawnFace(torch.sigmoid(picture * 2), self._segments(h), None, None)
        assert target.displacement is not None
        h, residual = self._decode(features, rgb, target, target.displacement)
        picture = functional.pixel_shuffle(self.to_picture(h).float(), self.reduction)
        fine = functional.interpolate(
            residual, size=target.displacement.shape[-2:], mode="bilinear", align_corners=False
        )
        return DrawnFace(
            colour=torch.sigmoid(picture[:, :3] * 2),
            segments=self._segments(h),
            displacement=target.displacement + fine,
            matte=torch.sigmoid(picture[:, 3:] * 2 + 2),
        )

    def _decode(
        self, features: list[Tensor], rgb: Tensor, target: TargetMaps, displacement: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decoder that joins warped source features at each level, and refines the flow for the next one."""
        assert target.visible is not None and target.parts is not None
        half, frames = displacement.shape[-1], len(displacement)
        seen = warp(resize(rgb, half).expand(frames, -1, -1, -1), displacement)
        x = torch.cat([target.heat, displacement * 4, target.visible, target.parts, seen * 2 - 1], 1)
        levels = self.unet.encoder(functional.pixel_unshuffle(x, self.reduction // 2))
        h, residual = None, None
        for level in reversed(range(len(levels))):
            side = levels[level].shape[-1]
            flow = resize(displacement, side)
            if residual is not None:
                residual = functional.interpolate(residual, scale_factor=2, mode="bilinear", align_corners=False)
                flow = flow + residual
            beside = warp(features[level].float().expand(frames, -1, -1, -1), flow).to(levels[level].dtype)
            h = self.unet.decode(level, h, levels[level], beside)
            step = self.to_flow[level](h).float() * 0.1
            residual = step if residual is None else residual + step
        assert h is not None and residual is not None
        return h, residual

    def _segments(self, h: Tensor) -> Float[Tensor, "f 3 s s"]:
        return functional.pixel_shuffle(self.to_segments(h).float(), self.reduction)


class MixedPicture(NamedTuple):
    """Output of G_b."""

    colour: Float[Tensor, "f 3 s s"]
    """Generated RGB in [0, 1]."""
    mask: Float[Tensor, "f 1 s s"]
    """M: 0 keeps the pixel of the background."""


class BackgroundMixer(nn.Module):
    """G_b: joins the reenacted head and a background."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.reduction = config.reduction
        folded, widths = config.reduction**2, config.mixer_widths
        self.unet = UNet(6 * folded, widths, blocks=config.blocks, norm=config.norm)
        self.to_picture = nn.Conv2d(widths[0], 4 * folded, 3, padding=1)

    def forward(
        self,
        face: Float[Tensor, "f 3 s s"],
        foreground: Float[Tensor, "f 1 s s"],
        background: Float[Tensor, "f 3 s s"],
        hole: Float[Tensor, "f 1 s s"],
    ) -> MixedPicture:
        """Join them.

        Args:
            face: I_fr, RGB in [0, 1].
            foreground: its share of face and hair.
            background: I_b, RGB in [0, 1]; pixels in the hole are ignored.
            hole: 1 where the source's face and hair were removed.
        """
        parts = torch.cat([face * foreground, background * (1 - hole)], 1)
        x = functional.pixel_unshuffle(parts * 2 - 1, self.reduction)
        picture = functional.pixel_shuffle(self.to_picture(self.unet(x)).float(), self.reduction)
        return MixedPicture(torch.sigmoid(picture[:, :3] * 2), torch.sigmoid(picture[:, 3:] * 2))


class FaceganNetworks(nn.Module):
    """L_T, G_r and, unless layered, G_b; the content of a checkpoint."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = LandmarkTransformer(config)
        self.reenactor = FaceReenactor(config)
        self.mixer = None if config.layered else BackgroundMixer(config)


def landmark_map(landmarks: Float[Tensor, "f 68 2"], side: int) -> Float[Tensor, "f 1 {side} {side}"]:
    """H_t: a Gaussian at each landmark (half-sides), the largest where several overlap (section 3.2)."""
    points_px = (landmarks + 1) * (side / 2)
    return gaussian_maps(points_px, side, side, _SIGMA_SHARE * side).amax(1, keepdim=True)


def compose_face(drawn: DrawnFace, source_rgb: Float[Tensor, "#f 3 n n"]) -> Float[Tensor, "f 3 n n"]:
    """I_fr at the source crop's own size n.

    Args:
        drawn: of `FaceReenactor`.
        source_rgb: the source crop at its own size: with `source_warp`, its own pixels are warped.
    """
    side = source_rgb.shape[-1]
    if drawn.displacement is None:
        return resize(drawn.colour, side)
    source = source_rgb.expand(len(drawn.colour), -1, -1, -1)
    return mix_face(drawn, warp(source, resize(drawn.displacement, side))).clamp(0, 1)


def mix_face(drawn: DrawnFace, warped: Float[Tensor, "f 3 n n"]) -> Float[Tensor, "f 3 n n"]:
    """I_fr of a G_r with `source_warp`: the warped source, and generated colours, at any side n."""
    assert drawn.matte is not None
    colour, matte = (resize(each, warped.shape[-1]) for each in (drawn.colour, drawn.matte))
    return torch.lerp(colour, warped, matte)


def mix(mixed: MixedPicture, background: Float[Tensor, "#f 3 n n"]) -> Float[Tensor, "f 3 n n"]:
    """I_r = M I_c + (1 - M) I_b (equation 9), at the side of the background."""
    colour, mask = (resize(each, background.shape[-1]) for each in mixed)
    return (mask * colour + (1 - mask) * background).clamp(0, 1)
