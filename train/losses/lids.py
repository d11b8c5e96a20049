"""How far an eye is open, as the tracker reads it: what the picture shows, not what its mesh asked for."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.geometry.landmarks import eye_openings
from reenact.hub.loading import load_tracker
from reenact.portrait import parts


class LidReader(nn.Module):
    """The embedded tracker, which sees the same eye on both sides of a face: it hardly reads winks."""

    def __init__(self) -> None:
        super().__init__()
        tracker: Any = load_tracker()
        self.network = tracker.network.requires_grad_(False).eval()

    def forward(
        self,
        eye: Float[Tensor, "n 3 i j"],
        mask: Float[Tensor, "n 1 i j"],
        face: Float[Tensor, "n 3 s s"],
        face_from_eyes: Float[Tensor, "n 2 2 3"],
    ) -> Float[Tensor, "n"]:
        """Height over width.

        Args:
            eye: crops of `parts.crop_part`.
            mask: where they replace the face's pixels.
            face: crops of `reenact.perception.crop.tracker_crop`.
            face_from_eyes: where the crop lies in the face: its own side, and mirrored on the other.
        """
        layer, size = functional.avg_pool2d(torch.cat([eye, mask], 1).float(), 2), (face.shape[-2], face.shape[-1])
        for onto in (face_from_eyes * face_from_eyes.new_tensor([2, 2, 1])).unbind(1):
            laid = parts.sample(layer, onto, size)
            face = torch.lerp(face, laid[:, :3], laid[:, 3:])
        return eye_openings(self.network(face.contiguous(memory_format=torch.channels_last)).mesh).mean(1)
