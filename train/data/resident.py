"""All pictures of a split on the training device, where crops are cut in batches.

The crops differ from those of OpenCV (`train.augment.crops.warp_crop`, then a table per channel) by less than 2/255 on
average; tests/unit/train/pairs/test_frames.py compares them.
"""

import numpy as np
import torch
from torch.nn import functional

from reenact.errors import ConfigError
from train.data.faces import CROP_PX, FaceData
from train.run.options import RecipeOptions

_UPLOAD_ROWS = 256


class ResidentFaces:
    """Pictures of one split as one uint8 tensor on a device (197 kB each).

    Raises:
        ConfigError: the device has too little free memory.
    """

    def __init__(self, data: FaceData, device: torch.device) -> None:
        _require_memory(data, device)
        self.device = device
        self.rgb = _upload(data.rgb, device)

    def __len__(self) -> int:
        return len(self.rgb)

    def crops(
        self, rows: np.ndarray, matrices: np.ndarray, side: int, luts: np.ndarray, flips: np.ndarray
    ) -> torch.Tensor:
        """Cut one crop from each of some pictures.

        Args:
            rows: (n,) rows of the split.
            matrices: (n, 3, 3) crop_from_frame, pixel centres at +0.5 in both.
            side: of the crops in pixels.
            luts: (n, 256, 3) uint8 tables of the channels, applied last.
            flips: (n,) bool, which crops are mirrored.

        Returns:
            (n, 3, side, side) float32 in [0, 1] on the device, channels last in memory.
        """
        chosen = torch.as_tensor(np.asarray(rows), device=self.device)
        picture = self.rgb[chosen].permute(0, 3, 1, 2).float()
        if sigma := shrink_blur_px(side):
            picture = gaussian_blur(picture, sigma)
        grid = sampling_grid(matrices, flips, side).to(self.device)
        crop = functional.grid_sample(picture, grid, "bilinear", "reflection", align_corners=True)
        crop = look_up(crop, torch.from_numpy(luts).to(self.device))
        return (crop / 255).contiguous(memory_format=torch.channels_last)


def shrink_blur_px(side: int) -> float:
    """Standard deviation of the blur against aliasing in a crop of `side` pixels; 0 is none."""
    return 0.5 * (CROP_PX / side) ** 0.5 if side < CROP_PX else 0.0


def gaussian_blur(picture: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur of (n, c, h, w) with OpenCV's kernel width for 8-bit pictures and its reflecting border."""
    radius = (round(sigma_px * 6 + 1) | 1) // 2
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=picture.device)
    kernel = torch.exp(-offsets.square() / (2 * sigma_px**2))
    kernel = (kernel / kernel.sum()).expand(picture.shape[1], 1, 1, -1)
    channels = picture.shape[1]
    padded = functional.pad(picture, (radius, radius, radius, radius), mode="reflect")
    across = functional.conv2d(padded, kernel, groups=channels)
    return functional.conv2d(across, kernel.transpose(2, 3), groups=channels)


def sampling_grid(crop_from_frame: np.ndarray, flips: np.ndarray, side: int) -> torch.Tensor:
    """Position in the frame of each crop pixel, in units of `grid_sample` with aligned corners.

    Args:
        crop_from_frame: (n, 3, 3), in pixels of the 256 px frame.
        flips: (n,) bool, which crops are mirrored.
        side: of the crops.

    Returns:
        (n, side, side, 2) float32; -1 and 1 are the centres of the outermost pixels.
    """
    mirror = np.array([[-1.0, 0, side], [0, 1, 0], [0, 0, 1]])
    matrices = np.where(flips[:, None, None], mirror @ crop_from_frame, crop_from_frame)
    centres = np.arange(side) + 0.5
    x, y = np.meshgrid(centres, centres)
    crop_px = np.stack([x.ravel(), y.ravel(), np.ones(side * side)])
    frame_px = (np.linalg.inv(matrices)[:, :2] @ crop_px).reshape(-1, 2, side, side)
    units = (frame_px - 0.5) * (2 / (CROP_PX - 1)) - 1
    return torch.from_numpy(units.transpose(0, 2, 3, 1).astype(np.float32))


def look_up(crop: torch.Tensor, luts: torch.Tensor) -> torch.Tensor:
    """(n, 3, h, w) in 0 to 255, rounded and sent through (n, 256, 3) tables."""
    index = crop.round().clamp(0, 255).long().flatten(2)
    return luts.permute(0, 2, 1).float().gather(2, index).view_as(crop)


def crop_meshes(
    mesh_px: np.ndarray, crop_from_frame: np.ndarray, side: int, flips: np.ndarray, mirror: np.ndarray
) -> np.ndarray:
    """Meshes of crops in half-sides: x and y -1 to 1 over the crop, z on the same scale.

    Args:
        mesh_px: (n, 478, 3) in frame pixels.
        crop_from_frame: (n, 3, 3) similarities.
        side: of the crops in pixels.
        flips: (n,) bool, which crops are mirrored.
        mirror: (478,) which point takes whose place in a mirrored face (`train.augment.mirror`).

    Returns:
        (n, 478, 3) float32.
    """
    matrices, mesh = crop_from_frame, mesh_px.astype(np.float64)
    zoom = np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])
    moved = np.empty(mesh.shape, np.float64)
    moved[..., :2] = mesh[..., :2] @ matrices[:, :2, :2].transpose(0, 2, 1) + matrices[:, None, :2, 2]
    moved[..., 2] = mesh[..., 2] * zoom[:, None]
    mirrored = moved[:, mirror] * [-1, 1, 1] + [side, 0, 0]
    moved = np.where(flips[:, None, None], mirrored, moved)
    return (moved * (2 / side) - [1, 1, 0]).astype(np.float32)


def refuse_resident(options: RecipeOptions, recipe: str) -> None:
    """Refuse ``--resident`` in a recipe that cuts its crops on the CPU.

    Raises:
        ConfigError: it was asked for.
    """
    if options.resident:
        raise ConfigError(
            f"recipe {recipe} cuts and degrades its crops on the CPU and cannot use --resident; leave the option out "
            "(recipes that learn from pairs of pictures can use it, such as correspondence and facegan_reenactor)"
        )


def _upload(values: np.ndarray, device: torch.device) -> torch.Tensor:
    """To the device in pieces: `values` may be a file of many gigabytes."""
    result = torch.empty(values.shape, dtype=torch.uint8, device=device)
    for first in range(0, len(values), _UPLOAD_ROWS):
        rows = slice(first, first + _UPLOAD_ROWS)
        result[rows] = torch.from_numpy(np.array(values[rows])).to(device)
    return result


def _require_memory(data: FaceData, device: torch.device) -> None:
    if device.type != "cuda":
        return
    need, (free, _) = data.rgb.nbytes, torch.cuda.mem_get_info(device)
    if need > free:
        raise ConfigError(
            f"--resident needs {need / 1e9:.1f} GB on {device} for {len(data)} pictures, {free / 1e9:.1f} GB are free; "
            "use --stream with smaller windows, or leave --resident out"
        )
