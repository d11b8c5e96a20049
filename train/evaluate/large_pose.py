"""Pairs with a large difference of yaw.

After Dual-Generator, section 4.1 ("MPIE (Large Pose)"): a source below 30 degrees of yaw, a reference beyond 60; and
the reverse, which the paper leaves out. If the data has too few turned pictures, pairs are drawn evenly from bins of
the *difference* of yaw instead. All outputs call this fall-back "turn bins".
"""

from typing import Any

import numpy as np

from reenact.errors import ConfigError
from train.data.faces import FaceData
from train.evaluate.pairs import Pair, count_drivers, draw_row
from train.evaluate.settings import TURN_BINS_DEG, Settings

LEAST_FAR, LEAST_PEOPLE = 20, 2
"""Least pictures beyond the far yaw, and people in them; with fewer the protocol falls back on turn bins."""

_COMPARED = 1500
"""Most pictures compared with each other in the fall-back: half are the most turned, half are random."""
_TRIES = 50
"""Draws per pair before the search stops."""


def draw_large_pose(data: FaceData, settings: Settings, rng: np.random.Generator) -> dict[str, Any]:
    """Pairs, counts and a note for `PairSet`.

    Up to half of the pairs lie within one clip, so that there is a real picture to compare with.

    Raises:
        ConfigError: no two pictures differ enough in yaw.
    """
    turned = np.abs(data.yaw_deg)
    near, far = np.flatnonzero(turned < settings.max_yaw), np.flatnonzero(turned > settings.min_yaw)
    found = {
        "pictures": len(data),
        f"pictures_below_{settings.max_yaw:g}_deg": len(near),
        f"pictures_beyond_{settings.min_yaw:g}_deg": len(far),
        f"people_beyond_{settings.min_yaw:g}_deg": len(np.unique(data.person[far])),
    }
    if len(far) >= LEAST_FAR and len(np.unique(data.person[far])) >= LEAST_PEOPLE and len(near):
        chosen, note = _draw_across(data, near, far, settings.pairs, rng), ""
    else:
        chosen = _draw_by_turn(data, settings.pairs, rng)
        note = (
            f"Fell back on turn bins: only {len(far)} of {len(data)} pictures ({len(np.unique(data.person[far]))} "
            f"people) are beyond {settings.min_yaw:g} degrees of yaw, {LEAST_FAR} of {LEAST_PEOPLE} people are "
            "needed. Pairs are drawn evenly over the difference of yaw between source and driving frame instead."
        )
    if not chosen:
        raise ConfigError(
            f"Split {settings.split!r} of {settings.data} has no two pictures that differ by "
            f"at least {TURN_BINS_DEG[1][0]:g} degrees of yaw, which large-pose needs. Give other data."
        )
    if len(chosen) < settings.pairs:
        note = f"{note} {len(chosen)} pairs instead of {settings.pairs}: the data has no more.".strip()
    found["pairs_within_a_clip"] = sum(data.clip[a] >= 0 and data.clip[a] == data.clip[b] for a, b in chosen)
    found["pairs_turning_away"] = sum(turned[b] > turned[a] for a, b in chosen)
    pairs = tuple(Pair(source=data.names[a], target=data.names[b]) for a, b in sorted(chosen))
    found["driving_people"] = count_drivers(data, pairs)
    return {"pairs": pairs, "found": {key: int(value) for key, value in found.items()}, "note": note}


def _draw_across(
    data: FaceData, near: np.ndarray, far: np.ndarray, count: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Pairs of a near and a far picture; the source alternates between both."""
    chosen: dict[tuple[int, int], None] = {}
    within = _same_clip(data, near, far)
    for i in range(_TRIES * count):
        if len(chosen) == count:
            break
        if len(chosen) < count // 2 and within and i < _TRIES * count // 2:
            sides = within[int(rng.integers(len(within)))]
            a, b = (int(rng.choice(side)) for side in sides)
        else:
            a, b = (draw_row(data, side, rng) for side in (near, far))
            if data.person[a] == data.person[b]:
                continue
        chosen[(a, b) if len(chosen) % 2 == 0 else (b, a)] = None
    return list(chosen)


def _same_clip(data: FaceData, near: np.ndarray, far: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Near and far rows of every clip that has both."""
    both = set(data.clip[near].tolist()) & set(data.clip[far].tolist()) - {-1}
    return [(near[data.clip[near] == clip], far[data.clip[far] == clip]) for clip in sorted(both)]


def _draw_by_turn(data: FaceData, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs from each bin of the turn alternately, within clips and of two people; empty bins are skipped."""
    rows = _compared(data, rng)
    turn = np.abs(data.yaw_deg[rows][:, None] - data.yaw_deg[rows][None])
    same_clip = (data.clip[rows][:, None] == data.clip[rows][None]) & (data.clip[rows] >= 0)[:, None]
    others = data.person[rows][:, None] != data.person[rows][None]
    queues: list[list[tuple[int, int]]] = []
    for low, high in TURN_BINS_DEG[1:]:
        inside = (turn >= low) & (turn < high)
        for kind in (same_clip, others):
            candidates = np.argwhere(inside & kind)
            picked = candidates[rng.permutation(len(candidates))[:count]]
            queues.append([(int(rows[a]), int(rows[b])) for a, b in picked])
    taken: list[tuple[int, int]] = []
    for place in range(max(map(len, queues), default=0)):
        taken += [queue[place] for queue in queues if place < len(queue)]
    return taken[:count]


def _compared(data: FaceData, rng: np.random.Generator) -> np.ndarray:
    if len(data) <= _COMPARED:
        return np.arange(len(data))
    most_turned = np.argsort(-np.abs(data.yaw_deg), kind="stable")[: _COMPARED // 2]
    return np.unique(np.concatenate([most_turned, rng.permutation(len(data))[: _COMPARED // 2]]))
