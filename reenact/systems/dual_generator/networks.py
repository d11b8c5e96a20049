"""Networks of the dual generator.

After "Dual-Generator Face Reenactment" (CVPR 2022), section 3; letters are the paper's.

    IDSG    l_r ─▶ E_l ─▶ γ ─┐                                    (the reference's action)
            I_s ─▶ r_s ──────┴▶ R_l ─▶ l̂_t                        (the source's identity: face ID code, section 3.1)

    RFG     l̂_t ─▶ landmark map ─▶ 4 down ─▶ 2 + 2 middle ─▶ 4 up ─▶ Î_t        G_f, section 3.2
            I_s ─▶ E_s ─▶ s_s ─────────────────(AdaIN)─┴────────┘
            I_s ─▶ head, moved by geometry ─▶ S ─▶ features, gated by visibility ┘    (variant `source_features`)

Landmarks enter and leave the IDSG in the standard placement of `standardise`, because position and size in the crop say
nothing about shape. The discriminators and the classifier are in `train/losses/dual_generator.py`.
"""

import itertools
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.errors import ConfigError
from reenact.ops.warp import resize
from reenact.portrait.posed import PosedHead
from reenact.portrait.stillness import widen
from reenact.systems.dual_generator.config import LEVELS, DualGeneratorConfig
from reenact.systems.layers import GatedModulation

LANDMARKS = 68
SPREAD = 0.2
"""Root mean square distance of standardised landmarks from their centre: that of faces in the project's crops (0.201 on
the training set). So one unit is about the crop's side, and the paper's margins, which are shares of it, hold."""
LEAK = 0.2
"""Negative slope of all leaky ReLUs."""

_FC_LAYERS = 5
_MIDDLE_BLOCKS = 4
_STYLED_MIDDLE_BLOCKS = 2
_STYLE_BLOCKS = 6
_RIM = 0.03
"""Half the width of the band around the face in which drawing fades out, share of the side."""
_MIRROR_KEPT = 8.0
"""Added to the logit of the mirrored head where only it shows the face: a mirrored cheek is sharper than a drawn one.
The losses miss that, because they compare it with the other cheek in another light."""
_COARSE, _SEAM = 4, 0.06
"""Reduction of the map of the source's own part, and width of the seam around that part, share of the side, in which
the network may blend."""
_OFF_FACE = 8.0
"""Logit that suppresses drawing off the face."""


class Placement(NamedTuple):
    """Position and size of a face."""

    centre: Float[Tensor, "f 1 3"]
    """Mean of the 68 landmarks, in their own unit."""
    size: Float[Tensor, "f 1 1"]
    """Their own units per standard unit."""


def standardise(landmarks: Float[Tensor, "f 68 3"]) -> tuple[Float[Tensor, "f 68 3"], Placement]:
    """Landmarks around their centre, with a root mean square distance of `SPREAD` from it.

    Centre and size are those of the solid shape, so that rotating the head changes neither.
    """
    centre = landmarks.mean(1, keepdim=True)
    rest = landmarks - centre
    size = rest.square().sum(-1, keepdim=True).mean(1, keepdim=True).sqrt().clamp(min=1e-9) / SPREAD
    return rest / size, Placement(centre=centre, size=size)


def place(standard: Float[Tensor, "f 68 3"], placement: Placement) -> Float[Tensor, "f 68 3"]:
    """Inverse of `standardise`."""
    return standard * placement.size + placement.centre


class LandmarkMLP(nn.Sequential):
    """Five fully connected layers with leaky ReLUs: `E_l`, `R_l`, `D_l` and `C_l`.

    `R_l`, `D_l` and `C_l` have none after the last layer: coordinates and logits take both signs. He's initialisation
    keeps the variance of the codes. PyTorch's default shrinks it from layer to layer, and the decoder then learns from
    the face ID code alone.
    """

    def __init__(self, inputs: int, width: int, outputs: int, *, activate_last: bool) -> None:
        sizes = [inputs] + [width] * (_FC_LAYERS - 1) + [outputs]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            linear = nn.Linear(before, after)
            nn.init.kaiming_normal_(linear.weight, a=LEAK)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.LeakyReLU(LEAK)]
        super().__init__(*(layers if activate_last else layers[:-1]))


class ShapeOutput(NamedTuple):
    """Output of the IDSG."""

    landmarks: Float[Tensor, "f 68 3"]
    """Estimate `l̂`, standard placement."""
    action: Float[Tensor, "f a"]
    """Action code `γ` of the reference."""


class ShapeGenerator(nn.Module):
    """`G_l = [E_l, R_l]`: applies the reference's action to the source's shape."""

    def __init__(self, config: DualGeneratorConfig) -> None:
        super().__init__()
        numbers = LANDMARKS * 3
        self.encoder = LandmarkMLP(numbers, config.landmark_width, config.action_code, activate_last=True)
        code = config.action_code + config.face_code
        self.decoder = LandmarkMLP(code, config.decoder_width, numbers, activate_last=False)
        self.face_code_scale = config.face_code**0.5

    def encode(self, landmarks: Float[Tensor, "f 68 3"]) -> Float[Tensor, "f a"]:
        """`E_l`: action code of standardised landmarks."""
        return self.encoder(landmarks.flatten(1) / SPREAD)

    def decode(self, action: Float[Tensor, "f a"], face_code: Float[Tensor, "f e"]) -> Float[Tensor, "f 68 3"]:
        """`R_l`: standardised landmarks from an action code and a face ID code of unit length."""
        landmarks = self.decoder(torch.cat([action, face_code * self.face_code_scale], 1))
        return landmarks.unflatten(1, (LANDMARKS, 3)).float() * SPREAD

    def forward(self, reference: Float[Tensor, "f 68 3"], face_code: Float[Tensor, "f e"]) -> ShapeOutput:
        """Target landmark estimate from the reference's landmarks and the source's face ID code."""
        action = self.encode(reference)
        return ShapeOutput(landmarks=self.decode(action, face_code), action=action)


def adain(
    x: Float[Tensor, "f c h w"], scale: Float[Tensor, "f c"], shift: Float[Tensor, "f c"]
) -> Float[Tensor, "f c h w"]:
    """Set each channel's mean to `shift` and its standard deviation to `scale` (Huang and Belongie, 2017, eq. 8)."""
    normed = functional.instance_norm(x.float())
    return (normed * scale[..., None, None] + shift[..., None, None]).to(x.dtype)


class AdaIN(nn.Module):
    """`adain` with scale and shift linear in a style code."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.to_scale_shift = nn.Linear(style, 2 * channels)

    def forward(self, x: Float[Tensor, "f c h w"], style: Float[Tensor, "f d"]) -> Float[Tensor, "f c h w"]:
        scale, shift = self.to_scale_shift(style).float().chunk(2, dim=1)
        return adain(x, 1 + scale, shift)


def he_initialise(module: nn.Module) -> None:
    """He's initialisation of all convolutions, as in StarGAN v2.

    With PyTorch's default the picture fades from block to block, and all styles look alike for long.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, a=LEAK)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class PlainBlock(nn.Module):
    """Residual block, norm and activation before each convolution; halves the side if `down`."""

    def __init__(self, inputs: int, outputs: int, *, down: bool, normed: bool = True) -> None:
        super().__init__()
        self.norms = nn.ModuleList(
            nn.InstanceNorm2d(inputs, affine=True) if normed else nn.Identity() for _ in range(2)
        )
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.shrink = nn.AvgPool2d(2) if down else nn.Identity()

    def forward(self, x: Float[Tensor, "f c h w"]) -> Float[Tensor, "f d i j"]:
        h = self.shrink(self.first(functional.leaky_relu(self.norms[0](x), LEAK)))
        h = self.second(functional.leaky_relu(self.norms[1](h), LEAK))
        return (self.shortcut(self.shrink(x)) + h) * 0.5**0.5  # keeps the variance


class StyledBlock(nn.Module):
    """Residual block, AdaIN before each convolution; doubles the side if `up`."""

    def __init__(self, inputs: int, outputs: int, style: int, *, up: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList([AdaIN(inputs, style), AdaIN(outputs, style)])
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.grow = nn.Upsample(scale_factor=2, mode="nearest") if up else nn.Identity()

    def forward(self, x: Float[Tensor, "f c h w"], style: Float[Tensor, "f d"]) -> Float[Tensor, "f e i j"]:
        h = self.first(self.grow(functional.leaky_relu(self.norms[0](x, style), LEAK)))
        h = self.second(functional.leaky_relu(self.norms[1](h, style), LEAK))
        return (self.grow(self.shortcut(x)) + h) * 0.5**0.5


class SixDown(nn.Module):
    """Six halving residual blocks, then one number per output: `E_s`, and in training `D_f` and `D_s`."""

    def __init__(self, channels: int, side: int, *, width: int, max_width: int, outputs: int) -> None:
        """Build the layers.

        Args:
            channels: of the picture.
            side: of the picture in pixels; others are resized.
            width: channels at the full side; each block doubles them.
            max_width: most channels.
            outputs: numbers per picture.
        """
        super().__init__()
        self.side = side
        widths = [min(width * 2**i, max_width) for i in range(_STYLE_BLOCKS + 1)]
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.blocks = nn.Sequential(*(PlainBlock(a, b, down=True, normed=False) for a, b in itertools.pairwise(widths)))
        self.gather = nn.Conv2d(widths[-1], widths[-1], side // 2**_STYLE_BLOCKS)
        self.head = nn.Linear(widths[-1], outputs)
        he_initialise(self)

    def forward(self, picture: Float[Tensor, "f c h w"]) -> Float[Tensor, "f o"]:
        """`picture` in [-1, 1]."""
        h = functional.leaky_relu(self.blocks(self.stem(resize(picture, self.side))), LEAK)
        return self.head(functional.leaky_relu(self.gather(h), LEAK).flatten(1))


class DrawnPicture(NamedTuple):
    """Output of `G_f`."""

    rgb: Float[Tensor, "f 3 s s"]
    """`Î_t` in [0, 1]."""
    colour: Float[Tensor, "f 3 s s"]
    """The generated colour; the whole picture in the paper's form."""
    matte: Float[Tensor, "f 1 s s"] | None
    """Share of the moved source; None in the paper's form."""


POSED_CHANNELS = 12
"""Channels of a `PosedHead`: RGB and its two masks, parts, the mirrored head and its mask."""


class SourcePyramid(nn.Module):
    """S: features of the moved source, one level for each up block of `G_f`."""

    def __init__(self, config: DualGeneratorConfig) -> None:
        super().__init__()
        self.stem = config.stem
        widths = config.widths[:LEVELS]
        self.first = nn.Conv2d(POSED_CHANNELS * config.stem**2, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(PlainBlock(a, b, down=True) for a, b in itertools.pairwise(widths))
        he_initialise(self)

    def forward(self, posed: PosedHead) -> tuple[Tensor, ...]:
        masks = torch.cat([posed.shown, posed.head, posed.parts, posed.mirrored_shown], 1)
        x = torch.cat([posed.rgb * 2 - 1, posed.mirrored * 2 - 1, masks], 1)
        levels = [self.first(functional.pixel_unshuffle(x, self.stem))]
        for block in self.blocks:
            levels.append(block(levels[-1]))
        return tuple(levels)


def _silent_gate(channels: int) -> GatedModulation:
    """Starts as the identity, so that the variant starts as the paper's form."""
    gate = GatedModulation(channels, channels, kernel=1)
    for parameter in gate.scale_shift.parameters():
        nn.init.zeros_(parameter)
    return gate


class FaceGenerator(nn.Module):
    """`G_f`, `E_s` and, in the variant, S."""

    def __init__(self, config: DualGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        widths, coarsest = config.widths, config.widths[-1]
        self.style_encoder = SixDown(
            3, config.style_px, width=config.style_width, max_width=config.style_max_width, outputs=config.style
        )
        self.entry = nn.Conv2d(config.stem**2, widths[0], 3, padding=1)
        self.down = nn.Sequential(*(PlainBlock(widths[i], widths[i + 1], down=True) for i in range(LEVELS)))
        plain = _MIDDLE_BLOCKS - _STYLED_MIDDLE_BLOCKS
        self.middle = nn.Sequential(*(PlainBlock(coarsest, coarsest, down=False) for _ in range(plain)))
        self.styled_middle = nn.ModuleList(
            StyledBlock(coarsest, coarsest, config.style, up=False) for _ in range(_STYLED_MIDDLE_BLOCKS)
        )
        self.up = nn.ModuleList(
            StyledBlock(widths[i + 1], widths[i], config.style, up=True) for i in reversed(range(LEVELS))
        )
        he_initialise(self)
        outputs = 5 if config.source_features else 3
        self.exit = nn.Sequential(
            nn.InstanceNorm2d(widths[0], affine=True),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(widths[0], outputs * config.stem**2, 3 if config.stem > 1 else 1, padding=int(config.stem > 1)),
        )
        self.pyramid = SourcePyramid(config) if config.source_features else None
        gated = reversed(range(LEVELS)) if config.source_features else ()
        self.gates = nn.ModuleList(_silent_gate(widths[i]) for i in gated)

    def encode_style(self, rgb: Float[Tensor, "f 3 s s"]) -> Float[Tensor, "f d"]:
        """`E_s`: style code of a picture in [0, 1], any side."""
        return self.style_encoder(rgb * 2 - 1).float()

    def forward(
        self, landmark_map: Float[Tensor, "f 1 s s"], style: Float[Tensor, "f d"], posed: PosedHead | None = None
    ) -> DrawnPicture:
        """`G_f(l̂_t, s_s)`: the target's picture.

        Args:
            landmark_map: lines of the target landmarks, 1 on a line, 0 elsewhere.
            style: of `encode_style`.
            posed: the source moved by geometry, at the same side; read with `source_features` only.

        Raises:
            ConfigError: `source_features` without a moved source.
        """
        stem = self.config.stem
        levels = self._read(posed)
        h = self.middle(self.down(self.entry(functional.pixel_unshuffle(landmark_map * 2 - 1, stem))))
        for block in self.styled_middle:
            h = block(h, style)
        for i, block in enumerate(self.up):
            h = block(h, style)
            if levels and posed is not None:
                visible = resize(torch.maximum(posed.shown, posed.mirrored_shown), h.shape[-1]).to(h.dtype)
                h = self.gates[i](h, levels[LEVELS - 1 - i], visible)
        output = functional.pixel_shuffle(self.exit(h), stem).float()
        colour = torch.sigmoid(output[:, :3] * 2)
        if posed is None or not levels:
            return DrawnPicture(rgb=colour, colour=colour, matte=None)
        own, mirrored, drawn = _shares(output[:, 3:], posed)
        return DrawnPicture(rgb=own * posed.rgb + mirrored * posed.mirrored + drawn * colour, colour=colour, matte=own)

    def _read(self, posed: PosedHead | None) -> tuple[Tensor, ...]:
        if self.pyramid is None:
            return ()
        if posed is None:
            raise ConfigError(
                "a generator with source_features needs the source moved by geometry (reenact.portrait.posed.pose_head)"
            )
        return self.pyramid(posed)


def _shares(logits: Float[Tensor, "f 2 s s"], posed: PosedHead) -> tuple[Tensor, Tensor, Tensor]:
    """Shares of the moved source, of the mirrored head and of the generated colour.

    Untrained, geometry alone decides. Off the face it always does: hair and background drawn by a small network are
    blurred.
    """
    near = near_face(posed)
    own = 2 * near * logits[:, :1] + 4 * posed.shown + 1
    mirrored = (
        2 * near * logits[:, 1:]
        + 6 * posed.mirrored_shown * (1 - posed.shown)
        - 3
        + _MIRROR_KEPT * mirrored_alone(posed)
    )
    drawn = -1 - _OFF_FACE * (1 - near)
    shares = torch.softmax(torch.cat([own, mirrored, drawn], 1), 1)
    return shares[:, :1], shares[:, 1:2], shares[:, 2:]


def near_face(posed: PosedHead) -> Float[Tensor, "f 1 s s"]:
    """1 on the face, falling to 0 within a band around it."""
    return widen(posed.parts.amax(1, keepdim=True), _RIM)


def mirrored_alone(posed: PosedHead) -> Float[Tensor, "f 1 s s"]:
    """1 where only the mirrored head shows the face, falling to 0 towards the part that the source shows."""
    side = posed.parts.shape[-1]
    own = resize(posed.shown * posed.parts.amax(1, keepdim=True), max(side // _COARSE, 1))
    reach = max(round(_SEAM * own.shape[-1]), 1)
    for _ in range(2):
        own = functional.avg_pool2d(own, 2 * reach + 1, 1, reach, count_include_pad=False)
    return posed.mirrored_shown * (1 - posed.shown) * (1 - resize(4 * own, side)).clamp(0, 1)


class DualGeneratorNetworks(nn.Module):
    """Both generators; the content of a checkpoint."""

    def __init__(self, config: DualGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.shape = ShapeGenerator(config)
        self.face = FaceGenerator(config)
