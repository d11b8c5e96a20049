"""What the tasks of several recipes share: defaults, pairs of pictures, validation figures and sample sheets.

`train.run.loop.Task` says what the loop asks of a task.
"""

import collections
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from reenact.errors import ConfigError
from train.data.faces import FaceData
from train.evaluate.metrics import l1, psnr_db
from train.pairs.frames import PairConfig, PairSampler, validation_pairs
from train.recipes.parts import Parts
from train.run.export import start_from, write_model
from train.run.loop import Batch, Losses

Config = TypeVar("Config")


class RecipeTask:
    """A task without a critic that ships one network, or a part of a system (`parts`).

    Tasks are built from `train` and `val`, the splits to learn from and to measure on, `network`, the sizes, and
    `config`, the data and losses. Some take more: `own` is `train` with meshes of the project's own tracker, taken for
    half of the pairs; `profiled` are rendered pictures of `train` and of `val`; `vgg19` is a file of VGG-19's weights.
    """

    model: str
    """What the exported weights are: "model" of their config.json."""
    parts: Parts | None = None
    """The system, if several recipes train its parts."""
    networks: nn.Module
    input_names: tuple[str, ...]
    """Keys of a batch that the networks are given, in their order; those that it lacks are left out."""
    network_config: Any
    """Sizes of the networks, a dataclass."""
    critic: nn.Module | None = None
    carried: Mapping[str, nn.Module] = {}
    """The parts that other recipes train."""

    def start_from(self, init: pathlib.Path | None) -> None:
        """Load exported weights; parts that this recipe does not train are exported along with its own.

        Raises:
            CheckpointError: they cannot be read, or are of another network.
        """
        if self.parts is None:
            start_from(self.shipped(self.networks), init)
        else:
            self.carried = self.parts.fill(self.networks, self.parts.read(init), self.network_config, init)

    def shipped(self, networks: nn.Module) -> nn.Module:
        """The module whose weights are exported."""
        return networks

    def facts(self) -> dict[str, Any]:
        """Facts of the training for config.json, beside those of the loop."""
        return {}

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        facts = facts | self.facts()
        if self.parts is None:
            config = {"model": self.model, "network": dataclasses.asdict(self.network_config)}
            write_model(self.shipped(networks), folder, config, facts)
        else:
            self.parts.write(self.shipped(networks), self.carried, self.network_config, folder, facts)

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return tuple(batch[name] for name in self.input_names if name in batch)

    def compute_critic_losses(self, outputs: Any, batch: Batch, critic: nn.Module) -> Losses:
        raise AssertionError(f"{type(self).__name__} has no critic")


class PairTask(RecipeTask):
    """Learns from pairs of pictures of one person (`train/pairs/frames.py`)."""

    per_clip = 6
    """Validation pairs of each clip."""

    def __init__(
        self, train: FaceData, val: FaceData, pairs: PairConfig, own: FaceData | None = None, *, parsing: bool = True
    ) -> None:
        self.val = val
        self.sampler = PairSampler(train, pairs, own, parsing=parsing)

    @property
    def side(self) -> int:
        """Side of the crops in pixels."""
        return self.sampler.config.side

    def use_data(self, train: FaceData) -> None:
        """Draw from other training data from now on, with the meshes of its labels."""
        self.sampler = PairSampler(train, self.sampler.config, parsing=self.sampler.parsing)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return self.prepare(self.sampler.sample(rng, size, device))

    def prepare(self, batch: Batch) -> Batch:
        """Add what networks and losses read."""
        raise NotImplementedError

    def validation_batches(self, device: torch.device) -> list[Batch]:
        """The same pairs at every call, one batch a clip."""
        pairs = validation_pairs(self.val, self.side, self.per_clip, device, parsing=self.sampler.parsing)
        return [self.prepare(batch) for batch in pairs]

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """A row of `show` for one pair of each validation clip; None without clips."""
        rows = []
        for k, batch in enumerate(self.validation_batches(device)):
            i = self.per_clip // 3 + k % 3
            rows.append(self.show(networks, {name: value[i : i + 1] for name, value in batch.items()}))
        return picture_rows(rows)

    def show(self, networks: nn.Module, one: Batch) -> list[Tensor]:
        """Pictures (1, 1 or 3, s, s) of a row, from a batch of one pair."""
        raise NotImplementedError


class Figures:
    """Validation figures: values of many rows, in the end their means."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = collections.defaultdict(list)

    def add(self, name: str, rows: Tensor) -> None:
        """One value for each row."""
        self._values[name].extend(rows.flatten().tolist())

    def add_pictures(self, pictures: Mapping[str, Tensor], target: Tensor) -> None:
        """PSNR and L1 of pictures; their keys are appended to the names ("psnr_copy" for "_copy")."""
        for ending, picture in pictures.items():
            self.add(f"psnr{ending}", psnr_db(picture, target))
            self.add(f"l1{ending}", l1(picture, target))

    def means(self) -> dict[str, float]:
        return {name: float(np.mean(values)) for name, values in self._values.items()}


def picture_rows(rows: Sequence[Sequence[Tensor]]) -> np.ndarray | None:
    """(h, w, 3) uint8 sheet of rows of pictures (1, 1 or 3, s, s) in [0, 1]; None without rows."""
    if not rows:
        return None
    lines = [torch.cat([picture[0].expand(3, -1, -1) for picture in row], dim=2) for row in rows]
    sheet = torch.cat(lines, dim=1).permute(1, 2, 0).clamp(0, 1)
    return (sheet.cpu().float().numpy() * 255).astype(np.uint8)


def to_pictures(rgb: Sequence[np.ndarray] | np.ndarray, device: torch.device) -> Tensor:
    """(n, 3, h, w) in [0, 1], channels last in memory, from (h, w, 3) uint8 pictures."""
    stacked = torch.from_numpy(np.stack(rgb)).to(device).permute(0, 3, 1, 2)
    return stacked.float().div(255).contiguous(memory_format=torch.channels_last)


def tile_pictures(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Sheet of pictures of one size, row by row; the rest of the last row is black."""
    cells = list(pictures) + [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    return np.concatenate([np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)])


def channels_last(batch: Batch) -> Batch:
    """Pictures in the memory format in which convolutions are fastest."""

    def placed(value: Any) -> Any:
        is_picture = isinstance(value, Tensor) and value.ndim == 4
        return value.contiguous(memory_format=torch.channels_last) if is_picture else value

    return {key: placed(value) for key, value in batch.items()}


def find_preset(presets: Mapping[Any, Config], name: str | None, system: str) -> Config:
    """The sizes called `name`, `tiny` by default.

    Raises:
        ConfigError: there are none of this name.
    """
    if (name or "tiny") not in presets:
        raise ConfigError(f"{system} has the presets {', '.join(presets)}, not {name!r}")
    return presets[name or "tiny"]
