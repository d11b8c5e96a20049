"""Prints the table of `reenact/geometry/unit_table.py`: ``python -m studies.unit_fit --data DIR``.

    movement of a unit = gain x regression on portraits, on the unit's points + strokes

The regression explains the expressions of all training portraits by all units at once, so that a smile does not include
the movements of cheeks and lids. It uses portraits: many people with strong expressions, where talking people show weak
ones, which noise attenuates. Movements that are still too small get a gain. Units that MediaPipe's scores do not see in
portraits (AU6, AU9), or only together with others (AU10, AU14), are drawn by strokes, as FACS describes them. Gains and
strokes were chosen on pictures of training people with ``python -m benchmarks.editing --calibrate``, by what looks
natural and what the teacher reads.
"""

import pathlib
from typing import cast

import numpy as np
import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from reenact.facs import ACTION_UNITS
from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.unit_movements import UNIT_POINTS, mirror_68
from train.data.faces import FaceData, load_faces

GAINS: dict[int, float] = {
    1: 2.5,
    2: 1.8,
    4: 1.4,
    5: 1.2,
    6: 0.0,
    7: 2.2,
    9: 0.0,
    10: 1.5,
    12: 1.2,
    14: 2.0,
    15: 1.8,
    17: 1.3,
    20: 1.3,
    23: 1.6,
    25: 0.9,
    26: 1.4,
    45: 1.5,
}
"""Factors of the regression. Of AU45 only the eye corners count: lids close whatever their gap."""

Stroke = tuple[tuple[int, ...], tuple[float, float, float]]
"""Points of the person's left half (or the middle), and how they go: out, up, forward, outer eye-corner distances."""

STROKES: dict[int, tuple[Stroke, ...]] = {
    # lower lids up, outer corner with them
    6: (((46, 47), (0, 0.018, 0)), ((45,), (0, 0.008, 0)), ((44,), (0, -0.006, 0))),
    # nose wings and base up, upper lip with them, inner brows down and together
    9: (
        ((35,), (0.012, 0.060, 0)),
        ((33, 34), (0, 0.025, 0)),
        ((51, 52, 53, 62, 63), (0, 0.025, 0)),
        ((22,), (-0.010, -0.030, 0)),
        ((23,), (-0.006, -0.020, 0)),
    ),
    # upper lip up, most beside its middle, nose wings up and out
    10: (
        ((51, 62), (0, 0.060, 0)),
        ((52, 63), (0, 0.075, 0)),
        ((53,), (0.034, 0.068, 0)),
        ((54, 64), (0.018, 0.018, 0)),
        ((35,), (0.012, 0.038, 0)),
        ((33, 34), (0, 0.015, 0)),
    ),
    # corners of the mouth tightened and a little up
    14: (((54, 64), (0, 0.030, 0)), ((55,), (0, 0.035, 0)), ((53,), (0, -0.010, 0))),
}

_CORNERS = (36, 39, 42, 45)


def regress_portraits(data: FaceData, model: MorphableModel) -> Float[Tensor, "17 68 3"]:
    """Movement by each unit from 0 to 1 in head axes, alike on both sides, by least squares on all portraits."""
    at = list(LANDMARKS_68)
    stills = np.flatnonzero(data.is_still)
    mesh = torch.from_numpy(np.array(data.mesh_px[stills], np.float32))
    scores = torch.from_numpy(np.array(data.blendshapes[stills], np.float32))
    offset = model.expression_offset(model.fit(mesh).expression)[:, at]
    units = read_action_unit_sides(scores, mesh).mean(2)
    known = torch.cat([units, torch.ones(len(units), 1)], 1).double()
    effect = torch.linalg.lstsq(known, offset.flatten(1).double()).solution[: len(ACTION_UNITS)]
    effect = effect.float().unflatten(1, (len(at), 3))
    swap = mirror_68(mesh_mirror())
    return (effect + effect[:, swap] * effect.new_tensor([-1, 1, 1])) / 2


def movements_of(effect: Float[Tensor, "17 68 3"]) -> dict[int, dict[int, tuple[float, float, float]]]:
    """`effect` with gains and strokes, of the person's left half and the middle: `UNIT_TABLE`."""
    swap = mirror_68(mesh_mirror())
    table: dict[int, dict[int, tuple[float, float, float]]] = {}
    for column, unit in enumerate(ACTION_UNITS):
        points = _CORNERS if unit == 45 else UNIT_POINTS[unit]
        moved = torch.zeros(len(LANDMARKS_68), 3)
        moved[list(points)] = GAINS[unit] * effect[column, list(points)]
        for where, way in STROKES.get(unit, ()):
            moved[list(where)] += torch.tensor(way)
        lefts = [point for point in points if int(swap[point]) == point or _is_left(point)]
        rounded = {point: tuple(round(float(v), 3) + 0.0 for v in moved[point]) for point in lefts}
        table[unit] = {
            point: cast(tuple[float, float, float], way) for point, way in sorted(rounded.items()) if any(way)
        }
    return table


def _is_left(point: int) -> bool:
    """Whether an iBUG point lies on the person's left."""
    left = (*range(9, 17), *range(22, 27), 34, 35, *range(42, 48), 52, 53, 54, 55, 56, 63, 64, 65)
    return point in left


def main(data: pathlib.Path, cache: pathlib.Path = pathlib.Path("runs/cache")) -> None:
    """Print the table of movements.

    Args:
        data: labelled data folder (docs/data.md).
        cache: where decoded pictures are kept.
    """
    table = movements_of(regress_portraits(load_faces(data, "train", cache), load_morphable()))
    for unit, points in table.items():
        print(f"    {unit}: {{")
        for point, way in points.items():
            print(f"        {point}: ({', '.join(f'{v:.3f}' for v in way)}),")
        print("    },")


if __name__ == "__main__":
    tyro.cli(main)
