"""Which parts of a face something hides: a hand, a microphone, a mask, hair, sunglasses.

crop of a part (mouth, right eye, mirrored left eye), colours over the face's own ── 3 strided convolutions ──▶ logit
"""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.geometry.landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from reenact.portrait import parts

HIDDEN_PARTS = ("mouth", "right eye", "left eye")
"""Order of the answers; the person's right and left."""
HIDDEN = 0.8
"""Probability from which on a part counts as hidden; see the card of the weights for its false alarms."""
BOTH_EYES = 0.3
"""Probability from which on an eye is hidden if the other one is: by the same sunglasses."""
_SKIN_POINTS = (50, 280, 101, 330, 205, 425, 4, 195, 151, 9)
"""Cheeks, nose and forehead: what hides one part leaves most of them."""
_AROUND = 0.03
"""Distance of the nine samples at each of them, in eye distances."""
_DARK = 8 / 255
"""Added before the logarithm, so that black is finite."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HiddenConfig:
    """Sizes of the network."""

    widths: tuple[int, int, int, int] = (12, 20, 28, 32)
    """Channels at 1/2, 1/4, 1/8 and 1/16 of a crop of `reenact.portrait.parts.SIZE`."""


class HiddenNetwork(nn.Module):
    """Logit that a part is hidden, from `part_inputs`."""

    def __init__(self, config: HiddenConfig) -> None:
        super().__init__()
        self.config = config
        layers, below = list[nn.Module](), 4
        for index, width in enumerate(config.widths):
            layers += [nn.Conv2d(below, width, 3, stride=2 if index else 1, padding=1), nn.ReLU()]
            below = width
        self.features = nn.Sequential(*layers)
        rows, columns = (side // 2 ** len(config.widths) for side in parts.SIZE)
        self.to_logit = nn.Linear(below * rows * columns, 1)

    def forward(self, inputs: Float[Tensor, "b 4 i j"]) -> Float[Tensor, "b"]:
        """`inputs`: of `part_inputs`."""
        return self.to_logit(self.features(inputs).flatten(1))[:, 0]


def part_crops(rgb: Float[Tensor, "f 3 h w"], mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f 3 3 i j"]:
    """The crops of `HIDDEN_PARTS`, at half of `reenact.portrait.parts.SIZE`."""
    ontos = [parts.crop_part(mesh_px, "mouth"), *(parts.crop_part(mesh_px, "eye", left=left) for left in (False, True))]
    half = rgb.new_tensor([[0.5], [0.5]])
    rows, columns = parts.SIZE
    return torch.stack([parts.sample(rgb, onto * half, (rows // 2, columns // 2)) for onto in ontos], 1)


def skin_tone(rgb: Float[Tensor, "f 3 h w"], mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f 3"]:
    """The median colour of places of the face that show skin."""
    size = mesh_px.new_tensor([rgb.shape[-1], rgb.shape[-2]])
    eyes = (mesh_px[:, LEFT_EYE_OUTER] - mesh_px[:, RIGHT_EYE_OUTER]).norm(dim=-1)
    around = torch.cartesian_prod(*[mesh_px.new_tensor([-1.0, 0.0, 1.0])] * 2) * _AROUND
    places = mesh_px[:, list(_SKIN_POINTS), None, :2] + around * eyes[:, None, None, None]
    seen = nn.functional.grid_sample(rgb, places * (2 / size) - 1, padding_mode="border", align_corners=False)
    return seen.mean(-1).median(-1).values


def part_inputs(crops: Float[Tensor, "f 3 3 i j"], tone: Float[Tensor, "f 3"]) -> Float[Tensor, "n 4 i j"]:
    """What the network sees, n = 3 f: logarithms of colours over the skin's, and which part it is (1 for a mouth)."""
    relative = ((crops + _DARK) / (tone[:, None, :, None, None] + _DARK)).log().clamp(-2.5, 2.5)
    is_mouth = torch.zeros_like(relative[:, :, :1])
    is_mouth[:, 0] = 1
    return torch.cat([relative, is_mouth], 2).flatten(0, 1)


@torch.inference_mode()
def hidden_shares(
    network: nn.Module, rgb: Float[Tensor, "f 3 h w"], mesh_px: Float[Tensor, "f 478 3"]
) -> Float[Tensor, "f 3"]:
    """Probability that each of `HIDDEN_PARTS` is hidden.

    Args:
        network: a `HiddenNetwork`.
        rgb: pictures of one face each.
        mesh_px: of the faces, in their pixels.
    """
    inputs = part_inputs(part_crops(rgb, mesh_px), skin_tone(rgb, mesh_px))
    return network(inputs).sigmoid().unflatten(0, (len(rgb), len(HIDDEN_PARTS)))
