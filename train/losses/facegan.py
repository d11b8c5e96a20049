"""FACEGAN's losses, equation by equation, and the regressor that only training needs.

Norms of vectors are means over their elements, so that weights do not depend on the number of points or the side. The
paper gives no weights; those of the recipes were chosen on validation people.
"""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reenact.geometry.landmarks import EDGES_68
from reenact.systems.facegan.landmarks import POINTS


class ActionUnitRegressor(nn.Module):
    """L_a: fully connected; normalised landmarks -> AU_d (equation 2)."""

    def __init__(self, motion_length: int, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * POINTS, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, motion_length),
        )

    def forward(self, landmarks: Float[Tensor, "f 68 2"]) -> Float[Tensor, "f m"]:
        return self.layers(landmarks)


def landmark_loss(transformed: Float[Tensor, "f 68 2"], wanted: Float[Tensor, "f 68 2"]) -> Tensor:
    """|l_t - l_d|_1, the first half of equation 1."""
    return functional.l1_loss(transformed, wanted)


def movement_penalty(delta: Float[Tensor, "f 68 2"]) -> Tensor:
    """|delta l_s|_2, the second half of equation 1: root mean square of each face's movement."""
    return (delta.square().mean((1, 2)) + 1e-12).sqrt().mean()


def action_unit_loss(found: Float[Tensor, "f m"], wanted: Float[Tensor, "f m"]) -> Tensor:
    """|L_a(l) - AU_d|_1, each half of equation 2."""
    return functional.l1_loss(found, wanted)


def connections(landmarks: Float[Tensor, "f 68 2"]) -> Float[Tensor, "f d 2"]:
    """D: differences between neighbouring landmarks (`EDGES_68`)."""
    return landmarks[:, [a for a, _ in EDGES_68]] - landmarks[:, [b for _, b in EDGES_68]]


def connectivity_loss(transformed: Float[Tensor, "f 68 2"], wanted: Float[Tensor, "f 68 2"]) -> Tensor:
    """|D_t - D_d|_1 (equation 3); 0 where one face is the other, moved as a whole."""
    return functional.l1_loss(connections(transformed), connections(wanted))


def foreground_of(classes: Int[Tensor, "f h w"]) -> Float[Tensor, "f 1 h w"]:
    """1 on face and hair, 0 on the background."""
    return (classes > 0).float()[:, None]


def reconstruction_loss(
    face: Float[Tensor, "f 3 h w"], wanted: Float[Tensor, "f 3 h w"], weight: Float[Tensor, "f 1 h w"] | None = None
) -> Tensor:
    """|I'_fr - F_d|_1 (equation 5), and L_br of equation 11; `weight` has mean 1."""
    difference = (face - wanted).abs()
    return (difference if weight is None else difference * weight).mean()


def segment_loss(logits: Float[Tensor, "f 3 h w"], classes: Int[Tensor, "f h w"]) -> Tensor:
    """L_ce: cross entropy of S_fr."""
    return functional.cross_entropy(logits.float(), classes)


def mask_smoothness(mask: Float[Tensor, "f 1 h w"]) -> Tensor:
    """Squared differences of M between neighbours, the first half of equation 10."""
    return mask.diff(dim=-1).square().mean() + mask.diff(dim=-2).square().mean()


def mask_size(mask: Float[Tensor, "f 1 h w"]) -> Tensor:
    """|M|_2, the second half of equation 10: root mean square."""
    return (mask.square().mean((1, 2, 3)) + 1e-12).sqrt().mean()
