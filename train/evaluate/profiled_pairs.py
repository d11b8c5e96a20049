"""Pairs for data with few large yaws: near-frontal pictures, of which one per pair is turned by face profiling.

Directions (pairs are spread over bins of the turned side's yaw, every second pair in the last bin):

    self      source: a picture; driver: another picture of that person, turned
    reverse   source: a picture, turned; driver: another picture of that person, unchanged
    cross     source: a picture; driver: a picture of another person, turned
    photographs, turned driver / turned source
              unchanged pictures of the data beyond `Settings.max_yaw` on one side

If the source's person has two pictures, the pair names a `yaw_match`: a picture of that person at the driver's yaw.
The identity similarity of source and `yaw_match` is that of two real frames.
"""

import dataclasses
from typing import Any

import numpy as np

from reenact.errors import ConfigError
from train.data.faces import FaceData
from train.evaluate.pairs import Pair, base_and_yaw, count_drivers, draw_row, rows_by_name, turned_name
from train.evaluate.settings import YAW_BINS_DEG, Settings

RENDERED = ("self", "reverse", "cross")
PHOTOGRAPHS = ("photographs, turned driver", "photographs, turned source")
DIRECTIONS = RENDERED + PHOTOGRAPHS
ALL_RENDERED = "all rendered"
"""Name of the three rendered directions together."""

NOTE = (
    "Turned pictures are rendered by face profiling (train/profiling/turn.py), not photographs. A system that moves "
    "heads by the same geometry has an advantage on them. The directions named photographs hold the photographs of "
    "turned heads in the data."
)

_BINS_IN_TURN = (2, 0, 2, 1)
"""Order in which the bins of `YAW_BINS_DEG` are filled."""
_PHOTOGRAPH_SHARE = 4
"""Rendered pairs per pair of photographs."""
_FRONTAL_DEG = 5.0
"""A head with a larger yaw is turned further to the same side; others to a random side."""
_TRIES = 40
"""Draws per pair before the search stops."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Take:
    """Pictures of one person: a clip, or all stills."""

    near: np.ndarray
    """Rows with a small yaw, which can be used unchanged."""
    turnable: np.ndarray
    """Rows of `near` that can be turned."""

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """A picture and another, turnable one; the same picture only if there is no other."""
        turned = int(rng.choice(self.turnable))
        others = self.near[self.near != turned]
        return (int(rng.choice(others)) if len(others) else turned), turned


def draw_profiled(data: FaceData, settings: Settings, rng: np.random.Generator) -> dict[str, Any]:
    """Pairs, counts and a note for `PairSet`.

    Raises:
        ConfigError: no picture can be turned, or there is only one person.
    """
    turnable = _near(data, settings) & np.asarray(data.has_parsing, bool)
    takes = list_takes(data, settings)
    if not takes or len(np.unique(data.person[turnable])) < 2:
        raise ConfigError(
            f"Split {settings.split!r} of {settings.data} has {int(turnable.sum())} pictures below "
            f"{settings.max_yaw:g} degrees of yaw with a parsing, of {len(np.unique(data.person[turnable]))} people; "
            "--profiled needs such pictures of two people. Give other data."
        )
    pairs = _draw_rendered(data, takes, np.flatnonzero(turnable), settings, rng)
    photographs = _draw_photographs(data, takes, settings, rng)
    note, asked = NOTE, settings.pairs + _photograph_count(settings)
    if len(pairs) + len(photographs) < asked:
        note += f" {len(pairs) + len(photographs)} pairs instead of {asked}: the data has no more."
    every = tuple(dict.fromkeys(pairs + photographs))
    turned = np.abs(data.yaw_deg)
    found = {
        "takes": len(takes),
        "pairs_of_one_picture": sum(each.target.startswith(f"{each.source}@") for each in every),
        f"photographs_beyond_{settings.max_yaw:g}_deg": int((turned >= settings.max_yaw).sum()),
        f"photographs_beyond_{settings.min_yaw:g}_deg": int((turned > settings.min_yaw).sum()),
        "driving_people": count_drivers(data, every),
    } | _count_by_bin(data, every)
    return {"pairs": every, "found": found, "note": note}


def found_key(direction: str, bin_name: str) -> str:
    """Key in `PairSet.found` of the pairs of a direction and a bin of yaw."""
    return f"pairs, {direction}, {bin_name} deg"


def _count_by_bin(data: FaceData, pairs: tuple[Pair, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    row_of = rows_by_name(data)
    for pair in pairs:
        sides = [base_and_yaw(name) for name in (pair.source, pair.target)]
        yaw = max(abs(float(data.yaw_deg[row_of[base]]) if turned is None else turned) for base, turned in sides)
        low, high = next((low, high) for low, high in YAW_BINS_DEG[::-1] if yaw >= low)
        together = (ALL_RENDERED,) if pair.direction in RENDERED else ()
        for direction in (pair.direction, *together):
            key = found_key(direction, f"{low:g}-{high:g}")
            counts[key] = counts.get(key, 0) + 1
    return counts


def list_takes(data: FaceData, settings: Settings) -> list[Take]:
    """Takes with two near-frontal pictures: each clip, or all stills of a person. Single stills if there are none.

    Clips occur twice as often as stills, because their pairs have a real picture of the result.
    """
    near, parsed = _near(data, settings), np.asarray(data.has_parsing, bool)
    clips, stills, single = [], [], []
    for first, stop in data.clip_ranges:
        clips.append(np.arange(first, stop))
    for person in np.unique(data.person[data.is_still]):
        rows = np.flatnonzero(data.is_still & (data.person == person))
        (stills if near[rows].sum() > 1 else single).append(rows)
    found = [
        [Take(near=rows[near[rows]], turnable=rows[near[rows] & parsed[rows]]) for rows in kind]
        for kind in (clips, stills, single)
    ]
    clips, stills, single = ([take for take in kind if len(take.turnable)] for kind in found)
    clips = [take for take in clips if len(take.near) > 1]
    if not clips and not stills:
        return single
    mixed, clips_left, stills_left = [], clips * max(1, -(-2 * len(stills) // max(len(clips), 1))), list(stills)
    while clips_left or stills_left:
        mixed += clips_left[:2] + stills_left[:1]
        clips_left, stills_left = clips_left[2:], stills_left[1:]
    return mixed


def _near(data: FaceData, settings: Settings) -> np.ndarray:
    return np.abs(data.yaw_deg) < settings.max_yaw


def _photograph_count(settings: Settings) -> int:
    return settings.pairs // _PHOTOGRAPH_SHARE


def _draw_rendered(
    data: FaceData, takes: list[Take], turnable: np.ndarray, settings: Settings, rng: np.random.Generator
) -> list[Pair]:
    """Pairs that cycle through directions, takes (in random order) and bins."""
    order, chosen = rng.permutation(len(takes)), {}
    for i in range(_TRIES * settings.pairs):
        place = len(chosen)
        if place == settings.pairs:
            break
        direction = RENDERED[place % len(RENDERED)]
        low, high = YAW_BINS_DEG[_BINS_IN_TURN[place // len(RENDERED) % len(_BINS_IN_TURN)]]
        own, turned = takes[order[i % len(takes)]].draw(rng)
        if direction == "cross":
            driver = _other_person(data, turnable, int(data.person[own]), rng)
            yaw = _draw_yaw_deg(rng, low, high, float(data.yaw_deg[driver]))
            pair = _pair(data, own, driver, direction, target_yaw=yaw, match=turned)
        else:
            yaw = _draw_yaw_deg(rng, low, high, float(data.yaw_deg[turned]))
            if direction == "self":
                pair = _pair(data, own, turned, direction, target_yaw=yaw, match=turned)
            else:
                pair = _pair(data, turned, own, direction, source_yaw=yaw, match=own)
        chosen[pair] = None
    return list(chosen)


def _draw_photographs(data: FaceData, takes: list[Take], settings: Settings, rng: np.random.Generator) -> list[Pair]:
    """Pairs of photographs that cycle through the bins beyond the first, the largest yaws first."""
    yaw, near = np.abs(data.yaw_deg), np.flatnonzero(_near(data, settings))
    bins = [np.flatnonzero((yaw >= max(low, settings.max_yaw)) & (yaw < high)) for low, high in YAW_BINS_DEG[:0:-1]]
    bins[0] = np.flatnonzero(yaw >= YAW_BINS_DEG[-1][0])
    bins, chosen = [rows for rows in bins if len(rows)], {}
    for _ in range(_TRIES * settings.pairs if bins else 0):
        place = len(chosen)
        if place == _photograph_count(settings):
            break
        turned = draw_row(data, bins[place // 2 % len(bins)], rng)
        same_clip = near[(data.clip[near] == data.clip[turned]) & (data.clip[near] >= 0)]
        if len(same_clip) and rng.random() < 0.5:
            other = int(rng.choice(same_clip))
            rows, match = ((other, turned), turned) if place % 2 == 0 else ((turned, other), other)
            pair = _pair(data, *rows, PHOTOGRAPHS[place % 2], match=match)
        elif place % 2 == 0:
            own, match = takes[int(rng.integers(len(takes)))].draw(rng)
            if data.person[own] == data.person[turned]:
                continue
            yaw_deg = round(float(data.yaw_deg[turned]), 1)
            pair = _pair(data, own, turned, PHOTOGRAPHS[0], match=match, match_yaw=yaw_deg)
        else:
            pair = _pair(data, turned, _other_person(data, near, int(data.person[turned]), rng), PHOTOGRAPHS[1])
        chosen[pair] = None
    return list(chosen)


def _pair(
    data: FaceData,
    source: int,
    target: int,
    direction: str,
    *,
    source_yaw: float | None = None,
    target_yaw: float | None = None,
    match: int | None = None,
    match_yaw: float | None = None,
) -> Pair:
    """Pair by names; the `yaw_match` is turned to `match_yaw`, or like the target."""
    names = data.names
    return Pair(
        source=turned_name(names[source], source_yaw),
        target=turned_name(names[target], target_yaw),
        direction=direction,
        yaw_match="" if match is None else turned_name(names[match], target_yaw if match_yaw is None else match_yaw),
    )


def _other_person(data: FaceData, rows: np.ndarray, person: int, rng: np.random.Generator) -> int:
    return draw_row(data, rows[data.person[rows] != person], rng)


def _draw_yaw_deg(rng: np.random.Generator, low: float, high: float, own_deg: float) -> float:
    """A yaw within a bin, on the side that the head already faces."""
    side = np.sign(own_deg) if abs(own_deg) > _FRONTAL_DEG else rng.choice((-1.0, 1.0))
    return round(float(side * rng.uniform(low, high)), 1)
