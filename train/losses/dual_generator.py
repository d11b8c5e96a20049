"""The dual generator's losses, equation by equation, and the networks that only training needs.

Landmarks are in the standard placement of `reenact.systems.dual_generator.networks.standardise`, whose unit is about
the side of a crop. Norms of landmark sets are sums over their coordinates, as in the paper, whose margins depend on it.
Norms of codes and pictures are means, so that they do not depend on their lengths.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reenact.systems.dual_generator.config import DualGeneratorConfig
from reenact.systems.dual_generator.networks import LANDMARKS, SPREAD, LandmarkMLP, SixDown

LEFT_EYE, RIGHT_EYE, NOSE, MOUTH, CONTOUR = (
    (*range(22, 27), *range(42, 48)),
    (*range(17, 22), *range(36, 42)),
    tuple(range(27, 36)),
    tuple(range(48, 68)),
    tuple(range(17)),
)
"""iBUG landmarks of the five local regions. Brows belong to the eye beneath them; the paper does not mention them."""


class Region(NamedTuple):
    """A local region of the visible local shape loss."""

    landmarks: tuple[int, ...]
    margin: float
    """σ_k of equation (3), section 4.1: in picture sides, summed over the region's coordinates."""


REGIONS = {
    "left_eye": Region(LEFT_EYE, 0.05),
    "right_eye": Region(RIGHT_EYE, 0.05),
    "nose": Region(NOSE, 0.1),
    "mouth": Region(MOUTH, 0.05),
    "contour": Region(CONTOUR, 0.2),
}

NO_SUBJECT = -1
"""Class of a person who is not among those of `C_l`."""


class ShapeCritic(nn.Module):
    """`D_l` and `C_l`: whether landmarks are real, and whose they are."""

    def __init__(self, config: DualGeneratorConfig, subjects: int) -> None:
        super().__init__()
        self.discriminator = LandmarkMLP(LANDMARKS * 3, config.landmark_width, 1, activate_last=False)
        self.classifier = LandmarkMLP(LANDMARKS * 3, config.landmark_width, subjects, activate_last=False)

    def forward(self, landmarks: Float[Tensor, "f 68 3"]) -> tuple[Float[Tensor, "f 1"], Float[Tensor, "f n"]]:
        flat = landmarks.flatten(1) / SPREAD
        return self.discriminator(flat), self.classifier(flat)


def visible_local_shape_loss(
    reference: Float[Tensor, "f 68 3"],
    visible: Float[Tensor, "f 68"],
    reference_estimate: Float[Tensor, "f 68 3"],
    target_estimate: Float[Tensor, "f 68 3"],
    same: Float[Tensor, "f"],
) -> Float[Tensor, "f"]:
    """L_vls, equation (3), of each face, summed over the five regions.

    |l_r - l̂_r| - |l_r - l̂_t| + σ over the visible landmarks of a region: the reference's own estimate has to be nearer
    to it than the estimate for another person, by the margin. A region without visible landmarks counts 0.

    Differs from the paper in two points. The loss ends at zero, as a triplet loss does: the paper gives no bound, and
    l̂_t could move away without limit. Where source and reference are one person, l_t is l_r, and the first term stands
    alone: with the second one, the gradients on l̂_r and l̂_t cancel in the action code that both share, and the decoder
    learns to ignore the code.

    Args:
        reference: l_r.
        visible: v, 1 for landmarks that the reference shows.
        reference_estimate: l̂_r.
        target_estimate: l̂_t.
        same: 1 where source and reference are one person.
    """
    own = (reference - reference_estimate).abs().sum(-1) * visible
    other = (reference - target_estimate).abs().sum(-1) * visible
    total = torch.zeros_like(same)
    for region in REGIONS.values():
        group = list(region.landmarks)
        flight = (1 - same) * (region.margin - other[:, group].sum(1))
        total = total + functional.relu(own[:, group].sum(1) + flight) * visible[:, group].amax(1)
    return total


def action_loss(target_code: Float[Tensor, "f a"], reference_code: Float[Tensor, "f a"]) -> Tensor:
    """L_a, equation (4): |E_l(l̂_t) - E_l(l_r)|_1."""
    return functional.l1_loss(target_code, reference_code)


def subject_class_loss(logits: Float[Tensor, "f n"], subject: Int[Tensor, "f"]) -> Tensor:
    """L_C, equation (5): cross entropy over the faces whose subject is known; 0 where there is none."""
    known = (subject != NO_SUBJECT).sum()
    total = functional.cross_entropy(logits.float(), subject, ignore_index=NO_SUBJECT, reduction="sum")
    return total / known.clamp(min=1)


def localization_loss(estimate: Float[Tensor, "f 68 3"], actual: Float[Tensor, "f 68 3"]) -> Float[Tensor, "f"]:
    """One half of L_l, equation (6): |l̂ - l|_1 of each face."""
    return (estimate - actual).abs().sum((1, 2))


class FaceCritic(nn.Module):
    """`D_f` on pictures and, unless left out, `D_s` on maps of the landmarks found in them."""

    def __init__(self, config: DualGeneratorConfig, side: int, *, shape: bool = True) -> None:
        """Build the discriminators.

        Args:
            config: their widths are those of `E_s`, whose structure they share (section 3.2).
            side: of the pictures in pixels, a multiple of 64.
            shape: build `D_s` too.
        """
        super().__init__()
        sizes = {"width": config.style_width, "max_width": config.style_max_width, "outputs": 1}
        self.face = SixDown(3, side, **sizes)
        self.shape = SixDown(1, side, **sizes) if shape else None

    def forward(
        self, inputs: tuple[Float[Tensor, "f 3 s s"], Float[Tensor, "f 1 s s"] | None]
    ) -> tuple[Float[Tensor, "f 1"], Float[Tensor, "f 1"] | None]:
        """Logits of pictures in [0, 1] and of landmark maps; None for the latter without a `D_s`."""
        picture, landmark_map = inputs
        shape = None if self.shape is None or landmark_map is None else self.shape(landmark_map * 2 - 1)
        return self.face(picture * 2 - 1), shape


def attribute_loss(
    picture: Float[Tensor, "f 3 h w"], wanted: Float[Tensor, "f 3 h w"], known: Float[Tensor, "f"]
) -> Tensor:
    """L_at, equation (11): |Î_t - I_t|_1 over the faces whose target picture is known (`known` 1); 0 without any."""
    each = (picture - wanted).abs().mean((1, 2, 3))
    return (each * known).sum() / known.sum().clamp(min=1)


def identity_loss(found: Float[Tensor, "f e"], source: Float[Tensor, "f e"]) -> Tensor:
    """L_id, equation (12): 1 - cos(E_f(Î_t), E_f(I_s)) of embeddings of unit length."""
    return 1 - (found * source).sum(1).mean()


def style_loss(found: Float[Tensor, "f d"], source: Float[Tensor, "f d"]) -> Tensor:
    """L_st, equation (13): |E_s(Î_t) - E_s(I_s)|_1."""
    return functional.l1_loss(found, source)


def landmark_loss(found: Float[Tensor, "f 68 d"], wanted: Float[Tensor, "f 68 d"]) -> Tensor:
    """L_lm, equation (14): mean |F_l(Î_t) - l̂_t|_1, in half-sides of the crop."""
    return functional.l1_loss(found, wanted)


def gradient_penalty(logits: Float[Tensor, "f 1"], real: Float[Tensor, "f *dims"]) -> Tensor:
    """Half of R1 (Mescheder et al., 2018, eq. 9), which StarGAN v2 trains with: squared gradient of D at real data.

    Args:
        logits: of `real`, computed with gradients.
        real: what the discriminator saw; requires gradients.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return 0.5 * gradient.float().square().flatten(1).sum(1).mean()
