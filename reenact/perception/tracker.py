"""The face tracker's network: an aligned crop -> mesh, blendshapes, rotation and face score.

    crop 128x128 -> stem /2 -> stages /4 /8 /16 /32 -> flatten 4x4 -> code -> mesh (478 x 3)
                                                                        `--> blendshapes, rotation, score

The mesh has the order of MediaPipe Face Mesh, whose predictions label the training data
(Grishchenko et al., "Attention Mesh", 2020); the network and its weights are the project's own.
"""

import dataclasses
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.perception.layers import Stage, conv_bn

MESH_POINTS = 478
BLENDSHAPES = 52


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Sizes of the tracker network."""

    crop_px: int = 128
    """Side of the crop; the network divides it by 32."""
    widths: tuple[int, ...] = (24, 48, 96, 160, 192)
    """Channels after the stem and after each stage."""
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    """Residual blocks in each stage."""
    code: int = 256
    """Length of the code from which all outputs are read."""


class TrackerOutput(NamedTuple):
    """What the network says of a batch of crops."""

    mesh: Float[Tensor, "b 478 3"]
    """Crop units: x and y from -1 (left, top) to 1, z on the same scale, smaller is nearer."""
    blendshapes: Float[Tensor, "b 52"]
    """MediaPipe order, 0 to 1."""
    rotation: Float[Tensor, "b 3 3"]
    """camera_from_head, MediaPipe axes (x right, y up, z towards the viewer), as seen in the crop."""
    score_logit: Float[Tensor, "b"]
    """Sigmoid of it: probability that the crop holds a face, well placed."""


class TrackerNetwork(nn.Module):
    """Regresses a dense face mesh from a crop of `reenact.perception.crop.tracker_crop`."""

    mean_mesh: Tensor

    def __init__(self, config: TrackerConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.stem = conv_bn(3, widths[0], stride=2)
        self.stages = nn.Sequential(
            *(Stage(widths[i], widths[i + 1], blocks) for i, blocks in enumerate(config.blocks))
        )
        cells = (config.crop_px // 32) ** 2
        self.to_code = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * cells, config.code), nn.SiLU())
        self.to_mesh = nn.Linear(config.code, MESH_POINTS * 3)
        self.to_blendshapes = nn.Sequential(nn.Linear(config.code, 128), nn.SiLU(), nn.Linear(128, BLENDSHAPES))
        self.to_rotation = nn.Linear(config.code, 6)
        self.to_score = nn.Linear(config.code, 1)
        self.register_buffer("mean_mesh", torch.zeros(MESH_POINTS, 3))

    def forward(self, crop: Float[Tensor, "b 3 s s"]) -> TrackerOutput:
        """`crop`: RGB in [0, 1]."""
        code = self.to_code(self.stages(self.stem(crop * 2 - 1)))
        mesh = self.to_mesh(code).unflatten(1, (MESH_POINTS, 3)).float() * 0.25 + self.mean_mesh
        return TrackerOutput(
            mesh=mesh,
            blendshapes=torch.sigmoid(self.to_blendshapes(code).float()),
            rotation=rotation_from_six(self.to_rotation(code).float()),
            score_logit=self.to_score(code).float().squeeze(1),
        )


def rotation_from_six(six: Float[Tensor, "b 6"]) -> Float[Tensor, "b 3 3"]:
    """Gram-Schmidt of two columns, a continuous code of rotations (Zhou et al., 2019, eq. 15)."""
    identity = torch.tensor([1.0, 0, 0, 0, 1, 0], device=six.device)
    first, second = (six + identity).split(3, dim=1)
    x = torch.nn.functional.normalize(first, dim=1)
    y = torch.nn.functional.normalize(second - (x * second).sum(1, keepdim=True) * x, dim=1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=2)
