"""Holes of a picture, closed from their rim."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def fill_hole(values: Float[Tensor, "f c n n"], hole: Float[Tensor, "f 1 n n"]) -> Float[Tensor, "f c n n"]:
    """Values continued smoothly from where they are known, by push and pull through a pyramid (Gortler et al., 1996).

    Args:
        values: any channels.
        hole: 1 where they are not looked at, 0 where they hold, or a share between.

    Returns:
        `values` where `hole` is 0, bit for bit; in it averages of what surrounds it, the coarser the farther in. If
        there is nothing but hole, zeros.
    """
    known = 1 - hole
    levels = [(values * known, known)]
    while levels[-1][1].shape[-1] > 1:
        value, weight = levels[-1]
        padded = functional.pad(torch.cat([value, weight], 1), (0, value.shape[-1] % 2, 0, value.shape[-1] % 2))
        small = functional.avg_pool2d(padded, 2)
        # weights saturate: one known pixel of four is as good as four
        share = small[:, -1:]
        gain = (4 * share).clamp(max=1) / share.clamp(min=1e-6)
        levels.append((small[:, :-1] * gain, share * gain))
    value, weight = levels[-1]
    filled = value / weight.clamp(min=1e-6)
    for value, weight in reversed(levels[:-1]):
        above = functional.interpolate(filled, size=value.shape[-2:], mode="bilinear", align_corners=False)
        filled = value + (1 - weight) * above
    return torch.where(hole > 0, filled, values)


def fill_smoothly(rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A picture (h, w, 3) uint8 with `hole` (h, w) bool filled by averages of known pixels over ever larger blocks."""
    height, width = hole.shape
    value = rgb.astype(np.float32) * ~hole[..., None]
    weight = (~hole).astype(np.float32)
    levels: list[tuple[np.ndarray, np.ndarray]] = [(value, weight)]
    while min(value.shape[:2]) > 2:
        size = (max(value.shape[1] // 2, 1), max(value.shape[0] // 2, 1))
        value = cv2.resize(value, size, interpolation=cv2.INTER_AREA)
        weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        levels.append((value, weight))
    result = np.full((*value.shape[:2], 3), rgb[~hole].mean(0) if (~hole).any() else 128, np.float32)
    for value, weight in reversed(levels):
        result = cv2.resize(result, value.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        known = np.clip(weight * 1.5, 0, 1)[..., None]
        result = result * (1 - known) + known * value / np.maximum(weight, 1e-3)[..., None]
    return np.clip(result, 0, 255).reshape(height, width, 3).astype(np.uint8)
