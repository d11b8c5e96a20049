"""A set of rendered pictures beside a split: its faces turned in depth, so that networks see heads in profile.

The yaws are those of `YawBalance` without real pictures. Labels turn along: mesh and parsing with the head, rotation by
the same yaw as labels count it; blendshapes, person and embedding stay those of the photo.
"""

import dataclasses
import functools
import json
import pathlib

import numpy as np

from reenact.geometry.morphable import load_morphable
from train.data.cache import digest
from train.data.face_table import FaceTable
from train.data.faces import FaceData, keep_decoded
from train.profiling.turn import about_vertical, build_head, fitted_yaw_deg, turn_head
from train.profiling.yaw_balance import YawBalance, YawBalanceConfig, YawDraws


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProfiledSetConfig:
    """How many pictures, and turned how far."""

    pictures: int = 8000
    """At most; 0.2 MB and some 0.06 s each."""
    per_photo: int = 3
    """Pictures for each photo that can be turned, where that is fewer."""
    bins_deg: tuple[tuple[float, float], ...] = ((0.0, 30.0), (30.0, 45.0), (45.0, 60.0), (60.0, 75.0), (75.0, 90.0))
    """Of |yaw|, equally often. The first keeps a rendered picture from meaning a turned one."""
    seed: int = 0
    """Of the draw."""


def make_profiled_set(
    data: FaceData, cache: pathlib.Path, name: str, config: ProfiledSetConfig | None = None
) -> FaceData | None:
    """Render the set, or find it in `cache`; None if no picture of `data` can be turned, for lack of a parsing.

    Args:
        data: the split.
        cache: folder for its pictures.
        name: of the split, for the folder's name.
        config: the defaults if None.
    """
    config = ProfiledSetConfig() if config is None else config
    balance_config = YawBalanceConfig(bins_deg=config.bins_deg, real_share=0.0)
    if not (np.asarray(data.has_parsing, bool) & (np.abs(data.yaw_deg) <= balance_config.straight_deg)).any():
        return None
    balance = YawBalance(data, balance_config)
    count = min(config.pictures, config.per_photo * len(balance.straight))
    draws = balance.draw(np.random.default_rng([config.seed, count, 91]), count)
    key = digest([json.dumps(dataclasses.asdict(config)), data.content_key])
    return keep_decoded(cache, f"profiled-{name}", key, functools.partial(render_draws, data, draws))


def render_draws(data: FaceData, draws: YawDraws, rgb_path: pathlib.Path | None = None) -> FaceTable:
    """Every picture of a draw, called ``photo@yaw``; those of one photo follow each other."""
    model, table = load_morphable(), FaceTable(len(draws.rows), rgb_path)
    order = np.argsort(draws.rows, kind="stable")
    for row, places in zip(*_groups(draws.rows[order], order), strict=True):
        parsing = np.array(data.parsing[row])
        head = build_head(model, np.array(data.rgb[row]), np.array(data.mesh_px[row]), parsing)
        for yaw_deg in draws.yaw_deg[places]:
            face = turn_head(head, fitted_yaw_deg(yaw_deg), parsing)
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
