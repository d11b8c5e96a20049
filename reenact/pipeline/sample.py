"""People who do not exist."""

import math
import pathlib

import numpy as np
import torch
from jaxtyping import UInt8

from reenact.errors import ConfigError
from reenact.hub.loading import load, random_people, select_device
from reenact.pipeline.results import to_frames

LARGEST_SEED, MOST_PEOPLE = 2**63 - 1, 256
TRUNCATION = 0.4
"""Nearer to the mean, people look more alike; farther from it, more of them are spoilt."""


def check_sampling(seed: int, truncation: float, count: int = 1) -> None:
    """Refuse numbers out of range.

    Raises:
        ConfigError: which one, and its range.
    """
    if not 0 <= truncation <= 1:
        raise ConfigError(f"The truncation is {truncation:g}; give a number from 0 (the mean person) to 1.")
    if not 1 <= count <= MOST_PEOPLE:
        raise ConfigError(f"{count} people were asked for; give a number from 1 to {MOST_PEOPLE}.")
    if not 0 <= seed <= LARGEST_SEED - count:
        raise ConfigError(f"The seed is {seed}; give a whole number from 0 to {LARGEST_SEED - count}.")


@torch.inference_mode()
def sample_people(
    seed: int = 0,
    *,
    truncation: float = TRUNCATION,
    count: int = 1,
    checkpoint: str | pathlib.Path | None = None,
    device: str = "auto",
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw people who do not exist; several stand in a grid, row by row.

    Args:
        seed: of the first person; those after it have the next seeds. A seed gives the same person alone and in a grid.
        truncation: 0 draws the mean person, 1 the generator's whole variety.
        count: number of people, 1 to 256.
        checkpoint: of a system with a generator: a folder, an embedded name or a Hub repository. None: the embedded
            generator that was trained for this alone.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        ReenactError: numbers out of range, or a checkpoint that cannot be used or draws no people.
    """
    check_sampling(seed, truncation, count)
    on = select_device(device)
    system = random_people(on) if checkpoint is None else load(checkpoint, device=on)
    # one at a time: results of a batch differ in their last bits
    people = [to_frames(system.draw_person(seed + i, truncation))[0] for i in range(count)]
    columns = math.ceil(math.sqrt(count))
    people += [np.full_like(people[0], 255)] * (-count % columns)
    return np.concatenate([np.concatenate(people[i : i + columns], 1) for i in range(0, len(people), columns)])
