"""The identity encoder: an aligned face -> a unit vector, similar for pictures of one person.

    crop 112x112 -> /2 -> /4 -> /8 -> /16 -> 7x7 per-channel weighting -> linear -> unit length

The pooling by learned weights per place is that of Chen et al., "MobileFaceNets", 2018. The weights are distilled from
an open teacher; they compare faces for the losses and figures of this project, and are not meant to recognise people.
"""

import dataclasses

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.perception.layers import Stage, conv_bn

IDENTITY_CROP_PX = 112
"""Side of the aligned crop."""

ALIGNMENT_PX = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Places of eyes, nose and mouth corners in the crop (ArcFace's template)."""

ALIGNMENT_MESH = ((33, 133), (263, 362), (1,), (61,), (291,))
"""Mesh points whose means are these five places of a face: eye corners, nose tip, mouth corners."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdentityConfig:
    """Sizes of the identity encoder."""

    widths: tuple[int, ...] = (32, 64, 96, 160)
    """Channels after the stem and after each stage."""
    blocks: tuple[int, ...] = (1, 2, 2)
    """Residual blocks in each stage."""
    embedding: int = 256
    """Length of the embedding, the teacher's."""


class IdentityNetwork(nn.Module):
    """Embeds crops cut by `identity_crop`."""

    def __init__(self, config: IdentityConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.stem = conv_bn(3, widths[0], stride=2)
        self.stages = nn.Sequential(
            *(Stage(widths[i], widths[i + 1], blocks) for i, blocks in enumerate(config.blocks))
        )
        cells = IDENTITY_CROP_PX // 2 ** (1 + len(config.blocks))
        self.pool = nn.Sequential(
            nn.Conv2d(widths[-1], widths[-1], cells, groups=widths[-1], bias=False), nn.BatchNorm2d(widths[-1])
        )
        self.to_embedding = nn.Linear(widths[-1], config.embedding)

    def forward(self, crop: Float[Tensor, "b 3 112 112"]) -> Float[Tensor, "b e"]:
        """`crop`: RGB in [0, 1]. Unit vectors; their dot product is the similarity."""
        pooled = self.pool(self.stages(self.stem(crop * 2 - 1))).flatten(1)
        return nn.functional.normalize(self.to_embedding(pooled).float(), dim=1)


def alignment_points(mesh_px: Float[np.ndarray, "478 d"]) -> Float[np.ndarray, "5 2"]:
    """The five places of `ALIGNMENT_PX` on a mesh."""
    points = np.asarray(mesh_px, np.float64)[:, :2]
    return np.stack([points[list(group)].mean(0) for group in ALIGNMENT_MESH])


def identity_crop(mesh_px: Float[np.ndarray, "478 d"]) -> Float[np.ndarray, "3 3"]:
    """crop_from_frame of the aligned crop: the similarity that brings the five points nearest to their places.

    Args:
        mesh_px: mesh in frame pixels; only x and y are read.
    """
    return fit_similarity(alignment_points(mesh_px), ALIGNMENT_PX)


def fit_similarity(source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "3 3"]:
    """Turn, scale and shift (no reflection) that map `source` to `target` with the least squared error."""
    source_middle, target_middle = source.mean(0), target.mean(0)
    x, y = (source - source_middle).T
    u, v = (target - target_middle).T
    spread = max(float(x @ x + y @ y), 1e-9)
    c, s = float(x @ u + y @ v) / spread, float(x @ v - y @ u) / spread
    matrix = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    matrix[:2, 2] = target_middle - matrix[:2, :2] @ source_middle
    return matrix


def similarity(first: Float[Tensor, "b e"], second: Float[Tensor, "b e"]) -> Float[Tensor, "b"]:
    """Cosine of embeddings, row by row: 1 the same face, about 0 two people."""
    return torch.einsum("be,be->b", first, second)
