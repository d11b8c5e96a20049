"""High dynamic range to sRGB: HLG and PQ clips and photos look as their players show them on an ordinary screen."""

import functools
from typing import Literal

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageFilter

from reenact.media.frame import Frame

Transfer = Literal["pq", "hlg"]
TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
"""Transfer characteristics by their number in ITU-T H.273."""
_WHITE_NITS = 203.0
"""Brightness of white paper (ITU-R BT.2408)."""
_HLG_PEAK_NITS, _HLG_GAMMA = 1000.0, 1.2
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
_BT709_FROM_BT2020 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
_KNEE = 0.7
"""Share of white from which on brighter light is compressed."""
_GRID = 33

Colours = Float[np.ndarray, "... 3"]


def to_srgb(rgb: Frame, transfer: Transfer) -> Frame:
    """A picture in BT.2020 colours, tone-mapped."""
    return np.asarray(Image.fromarray(rgb).filter(_table(transfer)))


@functools.cache
def _table(transfer: Transfer) -> ImageFilter.Color3DLUT:
    steps = np.linspace(0, 1, _GRID)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # red changes fastest
    mapped = tone_map(np.stack([red, green, blue], -1), transfer)
    return ImageFilter.Color3DLUT(_GRID, mapped.reshape(-1).tolist())


def tone_map(encoded: Colours, transfer: Transfer) -> Colours:
    """Encoded BT.2020 colours in [0, 1] to encoded sRGB."""
    light = (_pq_nits(encoded) if transfer == "pq" else _hlg_nits(encoded)) / _WHITE_NITS
    light = (light @ _BT709_FROM_BT2020.T).clip(0)
    # each channel alone, so that bright colours fade to white
    above = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    light = np.minimum(light, _KNEE) + (1 - _KNEE) * (1 - np.exp(-above))
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def _pq_nits(encoded: Colours) -> Colours:
    """SMPTE ST 2084, equation 4.1."""
    m1, m2 = 2610 / 16384, 2523 / 32
    c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
    root = encoded ** (1 / m2)
    return 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg_nits(encoded: Colours) -> Colours:
    """ITU-R BT.2100, table 5: inverse OETF, then OOTF."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(encoded <= 0.5, encoded**2 / 3, (np.exp((encoded - c) / a) + b) / 12)
    luma = np.maximum(scene @ _LUMA_2020, 1e-9)[..., None]
    return _HLG_PEAK_NITS * luma ** (_HLG_GAMMA - 1) * scene
