"""The outline of a posed head, as distances from its middle in all directions of the picture.

Directions turn with the head's roll and distances are in head units, so that the outlines of two poses compare.
"""

import dataclasses
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.geometry.morphable import Pose
from reenact.types import PerFrame

DIRECTIONS = 72
"""Directions of an outline, evenly from the picture's right, clockwise."""
_FALL = 0.4
"""Distance by which a place counts less for each direction that it is away from its own."""
MIDDLE = (0.0, 0.4, -0.9)
"""Inside of the skull, head coordinates: all outlines are seen from its image."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class View(PerFrame):
    """Polar coordinates about the middle of f posed heads."""

    middle: Float[Tensor, "f 2"]
    """Its place in the picture."""
    across: Float[Tensor, "f 2"]
    """Unit vector to the right of the rolled head, in the picture."""
    scale: Float[Tensor, "f"]
    """Picture units per head unit."""

    @staticmethod
    def of(pose: Pose) -> "View":
        """The view of posed heads."""
        rotation = pose.rotation
        # the rotation within the picture that is nearest to the head's; y down turns its sign
        across = torch.stack([rotation[:, 0, 0] + rotation[:, 1, 1], rotation[:, 0, 1] - rotation[:, 1, 0]], 1)
        middle = pose.apply(rotation.new_tensor(MIDDLE).expand(len(rotation), 1, 3))[:, 0, :2]
        return View(middle=middle, across=functional.normalize(across, dim=1), scale=pose.scale)

    def to_polar(self, place: Float[Tensor, "f 2 n"]) -> tuple[Float[Tensor, "f n"], Float[Tensor, "f n"]]:
        """Directions, 0 to `DIRECTIONS`, and distances of places in the picture."""
        x, y = ((place - self.middle[..., None]) / self.scale[:, None, None]).unbind(1)
        right, down = self.across[..., None].unbind(1)
        angle = torch.atan2(y * right - x * down, x * right + y * down) * (DIRECTIONS / math.tau)
        return angle % DIRECTIONS, torch.sqrt(x * x + y * y)

    def to_picture(self, direction: Float[Tensor, "f n"], distance: Float[Tensor, "f n"]) -> Float[Tensor, "f 2 n"]:
        """Places in the picture."""
        angle = direction * (math.tau / DIRECTIONS)
        along, below = torch.cos(angle) * distance, torch.sin(angle) * distance
        right, down = self.across[..., None].unbind(1)
        offset = torch.stack([along * right - below * down, along * down + below * right], 1)
        return offset * self.scale[:, None, None] + self.middle[..., None]


def outline_of(view: View, place: Float[Tensor, "f 2 n"]) -> Float[Tensor, "f d"]:
    """Distance of the farthest place in each direction, smooth.

    Places count less the farther their direction is, so that an outline does not jump when one passes from one
    direction to the next.
    """
    direction, distance = view.to_polar(place)
    low = direction.floor()
    farthest = distance.new_zeros(len(distance), DIRECTIONS)
    for step in (-1, 0, 1, 2):
        beside = ((direction - low - step).abs() - 0.5).clamp(min=0)
        at = (low + step).long() % DIRECTIONS
        farthest = farthest.scatter_reduce(1, at, distance - _FALL * beside, "amax")
    return smooth(farthest)


def smooth(values: Float[Tensor, "f d"]) -> Float[Tensor, "f d"]:
    """Each direction's value mixed with its neighbours'."""
    return values / 2 + (values.roll(1, 1) + values.roll(-1, 1)) / 4


def read_outline(values: Float[Tensor, "f d"], direction: Float[Tensor, "f n"]) -> Float[Tensor, "f n"]:
    """Values between the directions, linear."""
    low = direction.floor()
    share = direction - low
    low = low.long() % DIRECTIONS
    high = (low + 1) % DIRECTIONS
    return torch.gather(values, 1, low) * (1 - share) + torch.gather(values, 1, high) * share


def smoothstep(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, and smooth between."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
