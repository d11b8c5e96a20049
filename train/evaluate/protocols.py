"""Draws pairs by a seed.

Only labels (yaw, Action Units, person) are used, so that the pairs do not depend on the networks of this project.
"""

from typing import Any

import numpy as np
import torch

from reenact.errors import ConfigError
from reenact.geometry.action_units import read_action_units
from reenact.types import head_angles_rad
from train.data.faces import FaceData
from train.evaluate.large_pose import draw_large_pose
from train.evaluate.pairs import Pair, PairSet, Run, Triplet, count_drivers
from train.evaluate.profiled_pairs import draw_profiled
from train.evaluate.settings import Settings

_DRIVERS_COMPARED = 4000
"""Most frames among which the driving frame of a triplet is searched."""


def draw_pairs(data: FaceData, settings: Settings) -> PairSet:
    """The pairs of a protocol.

    Raises:
        ConfigError: the data has no such pairs; the text says what is missing.
    """
    rng = np.random.default_rng(settings.seed)
    common: dict[str, Any] = {"protocol": settings.protocol, "split": settings.split, "seed": settings.seed}
    if settings.profiled:
        return PairSet(**common, **draw_profiled(data, settings, rng))
    if not any(stop - first >= 2 for first, stop in data.clip_ranges):
        raise ConfigError(
            f"Split {settings.split!r} of {settings.data} holds no clip of two frames or more; the protocol "
            f"{settings.protocol} needs clips. Give another --split or --data."
        )
    if settings.protocol == "large-pose":
        return PairSet(**common, **draw_large_pose(data, settings, rng))
    draw = _draw_self if settings.protocol == "self" else _draw_cross
    pairs = draw(data, settings, rng)
    note = f"{len(pairs)} pairs instead of {settings.pairs}: the data has no more." * (len(pairs) < settings.pairs)
    found = _count(data) | {"driving_people": count_drivers(data, pairs)}
    return PairSet(
        **common,
        pairs=tuple(pairs),
        runs=tuple(_draw_runs(data, settings, rng)),
        triplets=tuple(_draw_triplets(data, settings, rng)) if settings.protocol == "cross" else (),
        found=found,
        note=note,
    )


def _draw_self(data: FaceData, settings: Settings, rng: np.random.Generator) -> list[Pair]:
    """The first frame of a clip and a later one, from all clips alternately, so that long clips do not dominate."""
    queues = [(first, rng.permutation(np.arange(first + 1, stop))) for first, stop in data.clip_ranges]
    chosen = in_turn([[(first, int(row)) for row in later] for first, later in queues], settings.pairs)
    return [Pair(source=data.names[a], target=data.names[b]) for a, b in sorted(chosen)]


def _draw_cross(data: FaceData, settings: Settings, rng: np.random.Generator) -> list[Pair]:
    """Frames from all clips alternately, each driving another person: the first frame of a clip, or a still."""
    queues = [[int(row) for row in rng.permutation(np.arange(*span))] for span in data.clip_ranges]
    drivers = sorted(in_turn(queues, settings.pairs))
    sources = _Sources(data, rng)
    return [Pair(source=data.names[sources.draw(row)], target=data.names[row]) for row in drivers]


def _draw_runs(data: FaceData, settings: Settings, rng: np.random.Generator) -> list[Run]:
    """A run of consecutive frames from each of some clips."""
    clips = [(first, stop) for first, stop in data.clip_ranges if stop - first > 3]
    chosen = sorted(rng.permutation(len(clips))[: settings.runs].tolist())
    sources = _Sources(data, rng) if settings.protocol == "cross" else None
    runs = []
    for first, stop in (clips[i] for i in chosen):
        length = min(settings.run_frames, stop - first - 1)
        start = int(rng.integers(first + 1, stop - length + 1))
        source = first if sources is None else sources.draw(first)
        runs.append(Run(source=data.names[source], driving=tuple(data.names[start : start + length])))
    return runs


def _draw_triplets(data: FaceData, settings: Settings, rng: np.random.Generator) -> list[Triplet]:
    """Two frames of a clip, and the frame of another person whose Action Units and head angles are nearest."""
    clips = [span for span in data.clip_ranges if span[1] - span[0] >= 2]
    moving = np.flatnonzero(~data.is_still)
    compared = np.sort(rng.permutation(moving)[:_DRIVERS_COMPARED])
    actions = _actions(data, compared)
    triplets = []
    for i in range(settings.triplets):
        source, second = rng.choice(np.arange(*clips[i % len(clips)]), 2, replace=False)
        other = data.person[compared] != data.person[source]
        if not other.any():
            raise _one_person(settings)
        distance = np.linalg.norm(actions - _actions(data, np.array([second])), axis=1)
        driving = compared[np.where(other, distance, np.inf).argmin()]
        triplets.append(Triplet(source=data.names[source], second=data.names[second], driving=data.names[driving]))
    return triplets


class _Sources:
    """Random sources: a random person, then a random first frame or still of that person."""

    def __init__(self, data: FaceData, rng: np.random.Generator) -> None:
        self.data, self.rng = data, rng
        rows = [first for first, _ in data.clip_ranges] + np.flatnonzero(data.is_still).tolist()
        self.of_person: dict[int, list[int]] = {}
        for row in rows:
            self.of_person.setdefault(int(data.person[row]), []).append(row)
        self.people = sorted(self.of_person)

    def draw(self, driving_row: int) -> int:
        """A source of another person than the driver."""
        others = [person for person in self.people if person != self.data.person[driving_row]]
        if not others:
            raise ConfigError("Cross-reenactment needs two people, but the split shows only one; give other data.")
        rows = self.of_person[others[int(self.rng.integers(len(others)))]]
        return rows[int(self.rng.integers(len(rows)))]


def in_turn(queues: list[list], count: int) -> list:
    """Up to `count` items, taken from the queues alternately."""
    taken: list = []
    for place in range(max((len(queue) for queue in queues), default=0)):
        if len(taken) >= count:
            break
        taken += [queue[place] for queue in queues if place < len(queue)]
    return taken[:count]


def _actions(data: FaceData, rows: np.ndarray) -> np.ndarray:
    """(n, 20): the labels' Action Units, 0 to 1, and head angles in radians."""
    mesh = torch.from_numpy(np.array(data.mesh_px[rows]))
    units = read_action_units(torch.from_numpy(np.array(data.blendshapes[rows])), mesh)
    angles = head_angles_rad(torch.from_numpy(np.array(data.rotation[rows])))
    return torch.cat([units, angles], dim=1).numpy()


def _count(data: FaceData) -> dict[str, int]:
    return {
        "clips": len(data.clip_ranges),
        "clip_frames": int((~data.is_still).sum()),
        "stills": int(data.is_still.sum()),
        "people": len(np.unique(data.person)),
    }


def _one_person(settings: Settings) -> ConfigError:
    return ConfigError(
        f"Split {settings.split!r} of {settings.data} shows clips of one person only; cross-reenactment needs two."
    )
