"""What each eye does on its own, in the morphable model's terms.

The expression basis was learned from people who hardly wink: it closes both lids together. So where the eyes differ,
the model is fitted to the face with twice the left eye and to that with twice the right one. Each eye follows its fit.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import LEFT_EYE_RING, RIGHT_EYE_RING, eye_openings
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import Fit, MorphableModel

_APART = (0.05, 0.10)
"""Difference of the eyes' openings up to which they count as the same, and from which on each has its own fit."""
_REACH = (0.3, 0.45)
"""Distance from the middle of an eye, eye distances, up to which its fit moves the mesh, and from which on not."""


def lid_offset(model: MorphableModel, fit: Fit) -> Float[Tensor, "f 478 3"]:
    """Displacement of each eye by what it does beyond the fitted expression, head coordinates; 0 for even eyes.

    Args:
        model: of the face.
        fit: by the model.
    """
    together = model.expression_offset(fit.expression)
    shape = model.identity_shape(fit.identity) + together + fit.residual
    opened = eye_openings(shape)
    share = ((opened[:, 0] - opened[:, 1]).abs() - _APART[0]) / (_APART[1] - _APART[0])
    share = share.clamp(0, 1)[:, None, None]
    right, left = (_near(model, ring)[:, None] for ring in (RIGHT_EYE_RING, LEFT_EYE_RING))
    mirrored = shape[:, torch.from_numpy(mesh_mirror())] * shape.new_tensor([-1, 1, 1])
    offset = torch.zeros_like(shape)
    for own, other in ((right, left), (left, right)):
        twice = torch.lerp(shape, mirrored, other)
        expression = (twice - model.mean).flatten(1) @ model.solver[len(model.identity_basis) :].T
        offset += own * (model.expression_offset(expression) - together)
    return share * offset


def _near(model: MorphableModel, ring: tuple[int, ...]) -> Float[Tensor, "478"]:
    """1 on an eye and its lids, falling to 0 around it."""
    away = (model.mean - model.mean[list(ring)].mean(0)).norm(dim=-1)
    return ((_REACH[1] - away) / (_REACH[1] - _REACH[0])).clamp(0, 1)
