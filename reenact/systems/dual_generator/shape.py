"""The shape generator, anchored in the source's own landmarks.

`R_l` gets only the ID code of a face, so its estimate of the source's shape is poor. Its estimate of what an action
*changes* is better. In head axes, with the pose removed,

    l_t = P_d( P_s^-1 l_s  +  [ P^-1 R_l(γ_driver, r_s) - P^-1 R_l(γ_base, r_s) ] )

where γ_base is the source's own action or, for relative motion, that of the driver's neutral frame. If both actions are
equal, the result is the source's own shape, bit for bit.
"""

import dataclasses
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.geometry.landmarks import LANDMARKS_68, landmark_spread
from reenact.geometry.morphable import MorphableModel, Pose, align
from reenact.systems.dual_generator.networks import standardise

Generate = Callable[[Float[Tensor, "f 68 3"], Float[Tensor, "f e"]], Float[Tensor, "f 68 3"]]
"""`R_l(E_l(l_r), r_s)`: standardised landmarks and face ID codes to standardised landmarks."""

_GENERATOR_SHARE = 0.5
"""Weight of the shape generator in the target's landmarks; the rest is the identity-matched mesh. On validation people
(ACE at 256 px, clips) the mesh alone is 0.68 px off, the anchored generator alone 1.10 px."""

_EYES = slice(36, 48)
"""Rows of the right and the left eye among the 68 landmarks."""
_DOUBTFUL = 0.035
"""Mean distance between generator and mesh, in eye distances, beyond which the generator's weight falls. It is 0.016
for a clip's own frames, 0.03 for other people's, and up to 0.7 for faces unlike the training set."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceShape:
    """A source, as the shape generator needs it."""

    landmarks: Float[Tensor, "1 68 3"]
    """In head coordinates, with the source's expression."""
    own_action: Float[Tensor, "1 68 3"]
    """The same as tracked (x right, y down, z away), from which its action is read."""
    code: Float[Tensor, "1 e"]
    """Face ID code, r_s."""


class AnchoredShape(nn.Module):
    """Actions to landmarks and meshes, in head coordinates."""

    rigid: Tensor
    spread: Tensor

    def __init__(self, model: MorphableModel) -> None:
        super().__init__()
        at = list(LANDMARKS_68)
        self.register_buffer("rigid", model.rigid_weight[at], persistent=False)
        self.register_buffer("spread", landmark_spread(model.lips_apart), persistent=False)

    def take(self, landmarks: Float[Tensor, "1 68 3"], pose: Pose, code: Float[Tensor, "1 e"]) -> SourceShape:
        """Read a source: landmarks of its mesh (any unit), the pose fitted to it (same unit), its face ID code."""
        return SourceShape(landmarks=pose.invert(landmarks), own_action=landmarks, code=code)

    def act(
        self,
        generate: Generate,
        source: SourceShape,
        reference: Float[Tensor, "f 68 3"],
        base: Float[Tensor, "#f 68 3"] | None = None,
    ) -> Float[Tensor, "f 68 3"]:
        """The source's landmarks with the reference's action, head coordinates.

        Args:
            generate: the IDSG.
            source: of `take`.
            reference: landmarks of the driver, any unit.
            base: landmarks of the action that the change starts from; the source's own if None.
        """
        base = source.own_action if base is None else base
        both = torch.cat([reference, base])
        estimate = generate(standardise(both)[0], source.code.expand(len(both), -1))
        at_rest = align(estimate, source.landmarks, self.rigid).invert(estimate)
        return source.landmarks + (at_rest[: len(reference)] - at_rest[len(reference) :])

    def agree(self, shape: Float[Tensor, "f 478 3"], landmarks: Float[Tensor, "f 68 3"]) -> Float[Tensor, "f 68 3"]:
        """l_t, head coordinates: between mesh and generator, nearer to the mesh where they disagree.

        An eye as a whole lies between the two, but its lids are those of the mesh: the generator hardly closes them.

        Args:
            shape: of the identity-matched mesh (`reenact.geometry.matching`).
            landmarks: of `act`.
        """
        matched = shape[:, list(LANDMARKS_68)]
        apart = landmarks - matched
        size = apart.norm(dim=-1).mean(1)[:, None, None]
        eyes = apart[:, _EYES].unflatten(1, (2, 6))
        apart[:, _EYES] = eyes.mean(2, keepdim=True).expand_as(eyes).flatten(1, 2)
        return matched + _GENERATOR_SHARE * (_DOUBTFUL / size.clamp(min=_DOUBTFUL)).square() * apart

    def carry(self, shape: Float[Tensor, "f 478 3"], landmarks: Float[Tensor, "f 68 3"]) -> Float[Tensor, "f 478 3"]:
        """The mesh moved under the landmarks; points between them follow their neighbours."""
        return shape + self.spread @ (landmarks - shape[:, list(LANDMARKS_68)])
