"""Sides of heads to be painted: photos of turned heads, of which one side is hidden from a source that is turned away.

The source is the photo itself, turned away by its own head in depth; what it hides is made up as for any source
(`reenact.portrait.unseen`). The truth is what the photo shows there. Samples come from a pool: sample i depends on
i alone; it is made at first use and kept.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reenact.errors import ConfigError
from reenact.geometry.morphable import load_morphable
from reenact.portrait import parts
from reenact.portrait.head import unfold
from reenact.portrait.matte import tidy_classes
from reenact.portrait.posed import build_head
from reenact.portrait.sides import both_sides, lay_out, read_at, side_inputs
from reenact.portrait.unseen import complete_unseen
from reenact.types import head_angles_rad
from train.data.faces import FaceData
from train.pairs.parts import random_similarity
from train.profiling.turn import turn_head
from train.run.loop import Batch

_TURNED_DEG, _FARTHEST_DEG, _FRONTAL_DEG = 12.0, 75.0, 8.0
"""Yaws of photos that show a side well; frontal ones show the front of both."""
_AWAY_DEG = (25.0, 40.0)
"""How far a frontal photo is turned away."""
_SOURCE_DEG, _SOURCE_SHARE = -12.0, 0.5
"""Yaws of the sources: from beyond the front to a share of the photo's own."""
_FRAMES_SHARE, _FRONTAL_SHARE = 0.1, 0.25
"""Of the samples: frames of clips, which show few people, and frontal photos."""
_CLEAR, _SOLID = 0.5, 0.85
"""How clearly the photo shows a point, and the head's share of the pixel there, from which it is a truth."""
_ELSEWHERE = 0.05
"""Weight of what a photo does not show."""
_POOL, _SEED = 1600, 0
"""Number of samples, each of which takes about a second to make, and seed of the pool."""
_LEAST = 250
"""Fewer pixels to paint are no sample: the next photo is taken,"""
_TRIES = 200
"""this often."""


class SideSampler:
    """Draws sides of heads."""

    def __init__(self, data: FaceData) -> None:
        self.data, self.model = data, load_morphable()
        self.yaw_deg = head_angles_rad(torch.from_numpy(np.array(data.rotation)))[:, 1].rad2deg().numpy()
        away, still = np.abs(self.yaw_deg), np.asarray(data.is_still)
        turned = data.has_parsing & (away > _TURNED_DEG) & (away < _FARTHEST_DEG)
        kinds = (turned & still, turned & ~still, data.has_parsing & still & (away < _FRONTAL_DEG))
        self.rows = [np.flatnonzero(kind) for kind in kinds]
        self._made: dict[int, UInt8[np.ndarray, "13 192 128"]] = {}

    def sample(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """A batch in random light; an ear is nearly at the same place."""
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        layers = self._stack(rng.integers(_POOL, size=size).tolist())
        rows, columns = layers.shape[-2:]
        layers = parts.sample(layers, random_similarity(size, (rows, columns), noise), (rows, columns), "zeros")
        batch = _batch_of(layers)
        light = [rng.uniform(0.75, 1.3, (size, channels, 1, 1)) for channels in (3, 1)]
        gain, bend = (
            torch.from_numpy(light[0] * light[1]).float(),
            torch.from_numpy(rng.uniform(0.8, 1.25, size)).float(),
        )
        return {name: value.to(device) for name, value in _relight(batch, gain, bend[:, None, None, None]).items()}

    def validation(self, count: int) -> dict[str, Batch]:
        """The first samples of the pool."""
        return {"": _batch_of(self._stack(list(range(count))))}

    def _stack(self, indices: list[int]) -> Float[Tensor, "n 13 192 128"]:
        """Samples of the pool, each as in `lay_out`."""
        for index in indices:
            if index not in self._made:
                self._made[index] = self._make(np.random.default_rng((_SEED, index)))
        return torch.from_numpy(np.stack([self._made[index] for index in indices])).float() / 255

    def _make(self, rng: np.random.Generator) -> UInt8[np.ndarray, "13 192 128"]:
        """Near, hole, hair, own, shown, target, mask, in 8 bits."""
        for _ in range(_TRIES):
            kind = int(rng.choice(3, p=(1 - _FRAMES_SHARE - _FRONTAL_SHARE, _FRAMES_SHARE, _FRONTAL_SHARE)))
            if not len(self.rows[kind]):
                continue
            row = int(rng.choice(self.rows[kind]))
            own = float(self.yaw_deg[row])
            way = np.sign(own) if kind < 2 else rng.choice([-1.0, 1.0])
            source = rng.uniform(_SOURCE_DEG, _SOURCE_SHARE * abs(own)) if kind < 2 else -rng.uniform(*_AWAY_DEG)
            layers = self.lay_out(row, float(way * source))
            layers = layers[:1] if way > 0 else layers[1:]  # who looks to the picture's right shows the picture's left
            if float(layers[:, -1:].sum()) >= _LEAST:
                return (layers[0].clamp(0, 1) * 255).round().byte().numpy()
        raise ConfigError(
            "No photo of this set shows the side of a head with its parsing; a painter of sides cannot learn."
        )

    def lay_out(self, row: int, yaw_deg: float) -> Float[Tensor, "2 13 192 128"]:
        """Both sides of a photo whose source has another yaw: near, hole, hair, own, shown, target, mask."""
        data = self.data
        photo = build_head(self.model, data.rgb[row], data.mesh_px[row], data.parsing[row])
        turned = turn_head(self.model, photo, yaw_deg, data.parsing[row])
        source = build_head(self.model, turned.rgb, turned.mesh_px, turned.parsing)
        classes = tidy_classes(torch.from_numpy(turned.parsing)[None], source.mesh)
        picture, points, *_ = complete_unseen(self.model, source.shape, source.colours, classes)
        near, hole, maps = side_inputs(source.shape, points, picture, source.colours)
        shown = (maps[:, 4:] != 0).any(1, keepdim=True).to(near.dtype)
        count = len(photo.shape.shape)
        _, places = unfold(self.model, photo.shape, torch.zeros(count, dtype=torch.bool))
        values, covered = lay_out(source.shape, torch.cat([places.own[:count], places.clear[:count, None]], 1))
        colours = read_at(photo.colours, values[:, :2])
        known = (values[:, 2:] > _CLEAR) & (colours[:, 3:] > _SOLID) & covered
        truth = both_sides(torch.cat([colours[:, :3], known.to(colours.dtype)], 1))
        own = (maps[:, 4:] + 1) / 2
        return torch.cat([near, hole, maps[:, :1], own, shown, truth[:, :3], truth[:, 3:] * hole], 1)


def _batch_of(layers: Float[Tensor, "n 13 h w"]) -> Batch:
    """What a painter learns from.

    Returns:
        target, near, hole, maps (as `SideInputs`), and mask: 1 where a hole has a truth, little where it has none and
        the painter is to leave what was made up; all (n, c, h, w).
    """
    near, hole, hair, own, shown, target, mask = layers.split([3, 1, 1, 3, 1, 3, 1], 1)
    hole, shown = (hole > 0.5).float(), (shown > 0.99).float()
    mask = (mask > 0.99) * hole
    maps = torch.cat([hair, near * 2 - 1, (own * 2 - 1) * shown], 1)
    target = torch.lerp(near, target, mask)
    return {"near": near, "hole": hole, "maps": maps, "target": target, "mask": torch.maximum(mask, _ELSEWHERE * hole)}


def _relight(batch: Batch, gain: Tensor, bend: Tensor) -> Batch:
    """All colours of each sample in another light."""

    def change(rgb: Tensor) -> Tensor:
        return (rgb.clamp(1e-4, 1) ** bend * gain).clamp(0, 1)

    near, target, maps = change(batch["near"]), change(batch["target"]), batch["maps"].clone()
    shown = (maps[:, 4:] != 0).any(1, keepdim=True)
    maps[:, 1:4] = near * 2 - 1
    maps[:, 4:] = torch.where(shown, change((maps[:, 4:] + 1) / 2) * 2 - 1, 0.0)
    return batch | {"near": near, "target": target, "maps": maps}
