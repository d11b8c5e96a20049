"""The embedded tracker and identity encoder, run on pictures whose faces are roughly known.

Both networks are frozen and differentiable down to the pictures: recipes use them as losses, validation measures with
them, and `train/data/own_labels.py` labels a set with them.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from reenact.geometry.landmarks import landmarks68_of
from reenact.hub.loading import load_identity, load_tracker
from reenact.ops.fold import fold_batch_norms
from reenact.perception.crop import tracker_crop
from reenact.perception.identity import IDENTITY_CROP_PX, identity_crop

_ROWS_AT_ONCE = 64


class Reading(NamedTuple):
    """What the tracker finds in pictures."""

    mesh: Float[Tensor, "f 478 3"]
    """Half-sides of the picture."""
    blendshapes: Float[Tensor, "f 52"]
    """0 to 1."""


class FaceReaders(nn.Module):
    """`F_l` and `E_f` of the dual generator: landmarks and identity of faces in pictures (RGB in [0, 1])."""

    def __init__(self) -> None:
        super().__init__()
        tracker: Any = load_tracker("own")
        self.crop_px: int = tracker.crop_px
        self.tracker: Any = tracker.network
        self.identity: Any = fold_batch_norms(load_identity())
        self.requires_grad_(False).eval()

    def crops_of(self, mesh: Float[Tensor, "f 478 3"], side: int) -> tuple[Tensor, Tensor]:
        """tracker_from_picture and identity_from_picture of meshes in half-sides of pictures of `side` pixels."""
        pixels = ((mesh[..., :2] + 1) * (side / 2)).detach().double().cpu().numpy()
        tracker = np.stack([tracker_crop(one, self.crop_px) for one in pixels])
        identity = np.stack([identity_crop(one) for one in pixels])
        first, second = (torch.from_numpy(crops.astype(np.float32)).to(mesh.device) for crops in (tracker, identity))
        return first, second

    def read(self, pictures: Float[Tensor, "f 3 s s"], tracker_from_picture: Float[Tensor, "f 3 3"]) -> Reading:
        """Mesh and blendshapes of the face in each crop of `crops_of`."""
        answer = self.tracker(cut(pictures, tracker_from_picture, self.crop_px))
        side, picture_from_tracker = pictures.shape[-1], torch.linalg.inv(tracker_from_picture)
        in_crop = (answer.mesh[..., :2] + 1) * (self.crop_px / 2)
        in_picture = in_crop @ picture_from_tracker[:, :2, :2].transpose(1, 2) + picture_from_tracker[:, None, :2, 2]
        scale = picture_from_tracker[:, :2, 0].norm(dim=1)[:, None, None] * self.crop_px / side
        mesh = torch.cat([in_picture * (2 / side) - 1, answer.mesh[..., 2:] * scale], dim=-1)
        return Reading(mesh, answer.blendshapes)

    def landmarks(
        self, pictures: Float[Tensor, "f 3 s s"], tracker_from_picture: Float[Tensor, "f 3 3"]
    ) -> Float[Tensor, "f 68 3"]:
        """iBUG landmarks in half-sides of `pictures`."""
        return landmarks68_of(self.read(pictures, tracker_from_picture).mesh)

    def embed(
        self, pictures: Float[Tensor, "f 3 s s"], identity_from_picture: Float[Tensor, "f 3 3"]
    ) -> Float[Tensor, "f e"]:
        """Identity embeddings of unit length."""
        return self.identity(cut(pictures, identity_from_picture, IDENTITY_CROP_PX))

    def akd_px(
        self,
        pictures: Float[Tensor, "f 3 s s"],
        tracker_from_picture: Float[Tensor, "f 3 3"],
        landmarks: Float[Tensor, "f 68 3"],
    ) -> Float[Tensor, "f"]:
        """Mean distance of the landmarks found in pictures from others in half-sides, in pixels of a 256 px crop."""
        found = self.landmarks(pictures, tracker_from_picture)
        return (found - landmarks)[..., :2].norm(dim=-1).mean(1) * 128


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


@torch.inference_mode()
def read_meshes_px(
    rgb: UInt8[np.ndarray, "n s s 3"], near_px: Float[np.ndarray, "n 478 3"]
) -> Float[np.ndarray, "n 478 3"]:
    """The tracker's meshes of stored pictures, in their pixels.

    Args:
        rgb: the pictures, which may be memory-mapped.
        near_px: labelled meshes; the tracker's crops are cut around them.
    """
    readers, half_px, found = FaceReaders(), rgb.shape[1] / 2, []
    corner = torch.tensor([1.0, 1.0, 0.0])
    for first in range(0, len(rgb), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        pictures = torch.from_numpy(np.array(rgb[rows])).permute(0, 3, 1, 2).float() / 255
        near = torch.from_numpy(np.array(near_px[rows], np.float32)) / half_px - corner
        crops, _ = readers.crops_of(near, rgb.shape[1])
        found.append(((readers.read(pictures, crops).mesh + corner) * half_px).numpy())
    return np.concatenate(found)
