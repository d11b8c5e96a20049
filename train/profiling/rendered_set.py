"""A set of rendered pictures of a split: its faces turned in depth, so that networks see heads in profile.

Labels turn too: mesh and parsing with the head, the rotation by the same yaw as labels count it. Blendshapes, person
and embedding stay those of the photo.
"""

import dataclasses
import functools
import json
import pathlib
from typing import NamedTuple

import numpy as np

from reenact.geometry.morphable import load_morphable
from reenact.portrait.posed import build_head
from train.data.cache import digest
from train.data.face_table import FaceTable
from train.data.faces import FaceData, keep_decoded
from train.profiling.turn import about_vertical, fitted_yaw_deg, turn_head


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProfiledSetConfig:
    """How many pictures, and turned how far."""

    pictures: int = 8000
    """At most; 0.2 MB and about 0.06 s each."""
    per_photo: int = 3
    """Pictures for each photo that can be turned, if that is fewer."""
    bins_deg: tuple[tuple[float, float], ...] = ((0.0, 30.0), (30.0, 45.0), (45.0, 60.0), (60.0, 75.0), (75.0, 90.0))
    """Bins of |yaw| with the same number of pictures. The first one keeps rendering from always meaning a turn."""
    straight_deg: float = 20.0
    """Largest |yaw| of a photo that is turned: one that looks ahead shows both halves of the face."""
    seed: int = 0
    """Seed of the draw."""


class Turns(NamedTuple):
    """Photos to be turned."""

    rows: np.ndarray
    """(n,) rows of the split."""
    yaw_deg: np.ndarray
    """(n,) yaw of the results, by the labels."""


def make_profiled_set(data: FaceData, cache: pathlib.Path, name: str, config: ProfiledSetConfig) -> FaceData | None:
    """Render the set, or find it in `cache`; None if no photo can be turned, for lack of a parsing."""
    turns = draw_turns(data, config)
    if not len(turns.rows):
        return None
    key = digest([json.dumps(dataclasses.asdict(config)), data.content_key])
    return keep_decoded(cache, f"profiled-{name}", key, functools.partial(render_turns, data, turns))


def make_profiled_sets(train: FaceData, val: FaceData, cache: pathlib.Path) -> tuple[FaceData | None, FaceData | None]:
    """The sets of both splits, that for validation with 600 pictures."""
    train_set = make_profiled_set(train, cache, "train", ProfiledSetConfig())
    return train_set, make_profiled_set(val, cache, "val", ProfiledSetConfig(pictures=600))


def draw_turns(data: FaceData, config: ProfiledSetConfig) -> Turns:
    """Bins equally often (to one picture) in random order; people alike, however many photos they have."""
    straight = np.flatnonzero(np.asarray(data.has_parsing, bool) & (np.abs(data.yaw_deg) <= config.straight_deg))
    count = min(config.pictures, config.per_photo * len(straight))
    rng = np.random.default_rng([config.seed, count, 91])
    people = np.unique(data.person[straight])
    rows, yaw_deg = np.empty(count, np.int64), np.empty(count)
    bins = rng.permutation((np.arange(count) + rng.integers(len(config.bins_deg))) % len(config.bins_deg))
    for i, k in enumerate(bins):
        own = straight[data.person[straight] == people[rng.integers(len(people))]]
        rows[i] = own[rng.integers(len(own))]
        side = np.sign(data.yaw_deg[rows[i]]) or 1.0  # the half of the face that the photo shows more of
        yaw_deg[i] = side * rng.uniform(*config.bins_deg[k])
    return Turns(rows, yaw_deg)


def render_turns(data: FaceData, turns: Turns, rgb_path: pathlib.Path | None = None) -> FaceTable:
    """The pictures, called ``photo@yaw``; those of one photo follow each other."""
    model, table = load_morphable(), FaceTable(len(turns.rows), rgb_path)
    order = np.argsort(turns.rows, kind="stable")
    for row, places in zip(*_groups(turns.rows[order], order), strict=True):
        parsing = np.array(data.parsing[row])
        head = build_head(model, np.array(data.rgb[row]), np.array(data.mesh_px[row]), parsing)
        for yaw_deg in turns.yaw_deg[places]:
            face = turn_head(model, head, fitted_yaw_deg(yaw_deg), parsing)
            table.add_face(
                f"{data.names[row]}@{yaw_deg:.1f}",
                f"{int(data.person[row]):06}",
                face.rgb,
                mesh_px=face.mesh_px,
                rotation=about_vertical(yaw_deg - float(data.yaw_deg[row])) @ data.rotation[row],
                blendshapes=data.blendshapes[row],
                embedding=data.embedding[row],
                parsing=face.parsing,
                has_parsing=np.True_,
            )
    return table


def _groups(rows: np.ndarray, order: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
    """Each row of a sorted list, and the places in the draw that name it."""
    found, first = np.unique(rows, return_index=True)
    return found.tolist(), np.split(order, first[1:])
