"""The embedded tracker and identity encoder as losses: frozen, and differentiable down to the picture.

Their crops are cut where the target's mesh is, which is known before the picture is drawn.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.geometry.landmarks import landmarks68_of
from reenact.hub.loading import load_identity
from reenact.perception.crop import tracker_crop
from reenact.perception.identity import IDENTITY_CROP_PX, identity_crop
from reenact.perception.layers import fold_batch_norms
from train.reread import TrackerReader


class FaceReaders(nn.Module):
    """`F_l` and `E_f` of the dual generator: landmarks and identity of faces whose place is known."""

    def __init__(self) -> None:
        super().__init__()
        reader = TrackerReader()
        self.crop_px = reader.crop_px
        self.tracker: Any = reader.network
        self.identity: Any = fold_batch_norms(load_identity("cpu"))
        self.requires_grad_(False).eval()

    def landmarks(
        self, pictures: Float[Tensor, "f 3 s s"], tracker_from_picture: Float[Tensor, "f 3 3"]
    ) -> Float[Tensor, "f 68 3"]:
        """iBUG landmarks in half-sides of `pictures` (RGB in [0, 1])."""
        side = pictures.shape[-1]
        found = landmarks68_of(self.tracker(cut(pictures, tracker_from_picture, self.crop_px)).mesh)
        picture_from_tracker = torch.linalg.inv(tracker_from_picture)
        in_crop = (found[..., :2] + 1) * (self.crop_px / 2)
        in_picture = in_crop @ picture_from_tracker[:, :2, :2].transpose(1, 2) + picture_from_tracker[:, None, :2, 2]
        scale = picture_from_tracker[:, :2, 0].norm(dim=1)[:, None, None] * self.crop_px / side
        return torch.cat([in_picture * (2 / side) - 1, found[..., 2:] * scale], dim=-1)

    def embed(
        self, pictures: Float[Tensor, "f 3 s s"], identity_from_picture: Float[Tensor, "f 3 3"]
    ) -> Float[Tensor, "f e"]:
        """Unit vectors of who is shown in `pictures` (RGB in [0, 1])."""
        return self.identity(cut(pictures, identity_from_picture, IDENTITY_CROP_PX))

    def crops_of(self, mesh: Float[Tensor, "f 478 3"], side: int) -> tuple[Tensor, Tensor]:
        """tracker_from_picture and identity_from_picture of meshes in half-sides of pictures of `side` pixels."""
        pixels = ((mesh[..., :2] + 1) * (side / 2)).double().cpu().numpy()
        found = (
            np.stack([tracker_crop(one, self.crop_px) for one in pixels]),
            np.stack([identity_crop(one) for one in pixels]),
        )
        tracker, identity = (torch.from_numpy(matrices.astype(np.float32)).to(mesh.device) for matrices in found)
        return tracker, identity


def cut(
    pictures: Float[Tensor, "f 3 s s"], crop_from_picture: Float[Tensor, "f 3 3"], crop_px: int
) -> Float[Tensor, "f 3 {crop_px} {crop_px}"]:
    """Crops by similarity transforms (pixel centres at +0.5), the border repeated; differentiable in the pictures."""
    side, centres = pictures.shape[-1], torch.arange(crop_px, device=pictures.device) + 0.5
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    places = torch.stack([x.flatten(), y.flatten(), torch.ones_like(x).flatten()])
    grid = (torch.linalg.inv(crop_from_picture)[:, :2] @ places).unflatten(2, (crop_px, crop_px)) * (2 / side) - 1
    return functional.grid_sample(
        pictures.float(), grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=False
    )
