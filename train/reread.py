"""The embedded tracker on results: where a drawn face really is, as against where it was meant to be."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import LANDMARKS_68
from reenact.hub.checkpoint import load_weights, read_checkpoint, read_network_config
from reenact.perception.crop import tracker_crop
from reenact.perception.layers import fold_batch_norms
from reenact.perception.tracker import TrackerConfig, TrackerNetwork
from reenact.weights import embedded_weights
from train.augment.crops import warp_crop


class TrackerReader:
    """Reads meshes off pictures whose faces are roughly known."""

    def __init__(self) -> None:
        checkpoint = read_checkpoint(embedded_weights("perception/tracker"), model="tracker")
        network = TrackerNetwork(read_network_config(checkpoint, TrackerConfig))
        load_weights(network, checkpoint.weights, where=checkpoint.folder)
        self.crop_px = network.config.crop_px
        self.network = fold_batch_norms(network)

    def read(self, pictures: Float[Tensor, "f 3 s s"], near: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f 478 3"]:
        """Meshes in half-sides; see `read_faces`."""
        return self.read_faces(pictures, near)[0]

    @torch.inference_mode()
    def read_faces(
        self, pictures: Float[Tensor, "f 3 s s"], near: Float[Tensor, "f 478 3"]
    ) -> tuple[Float[Tensor, "f 478 3"], Float[Tensor, "f 52"]]:
        """Meshes in half-sides, and blendshapes.

        Args:
            pictures: RGB in [0, 1].
            near: where the faces are thought to be, half-sides: the tracker's crop is cut there.
        """
        side = pictures.shape[-1]
        rgb = (pictures.float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        matrices = [tracker_crop((mesh + 1) * (side / 2), self.crop_px) for mesh in near[..., :2].cpu().numpy()]
        crops = [
            warp_crop(np.ascontiguousarray(one), matrix, self.crop_px, cv2.BORDER_REPLICATE)
            for one, matrix in zip(rgb, matrices, strict=True)
        ]
        crop = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
        answer = self.network(crop)
        found = answer.mesh
        back = torch.from_numpy(np.stack([np.linalg.inv(matrix) for matrix in matrices])).float()
        in_crop = (found[..., :2] + 1) * (self.crop_px / 2)
        in_picture = in_crop @ back[:, :2, :2].transpose(1, 2) + back[:, None, :2, 2]
        scale = back[:, :2, 0].norm(dim=1)[:, None, None] * self.crop_px / side
        return torch.cat([in_picture * (2 / side) - 1, found[..., 2:] * scale], -1), answer.blendshapes

    def landmark_distance(
        self, results: Float[Tensor, "f 3 s s"], wanted: Float[Tensor, "f 3 s s"], near: Float[Tensor, "f 478 3"]
    ) -> Float[Tensor, "f"]:
        """Mean distance of the 68 landmarks read off two pictures each, in pixels of a 256 px crop (AKD)."""
        at = list(LANDMARKS_68)
        first, second = self.read(results, near)[:, at, :2], self.read(wanted, near)[:, at, :2]
        return (first - second).norm(dim=-1).mean(1) * 128
