"""Teeth and gums, reduced from ICT-FaceKit: ``python -m studies.teeth --asset ict_face.npz``.

They are placed by fitting ICT-FaceKit's mean head to the morphable model's mean face (`studies.head_template`),
stripped of what no open mouth shows, and written in the morphable model's head coordinates
(`reenact/portrait/teeth.py` loads them).
"""

import dataclasses
import json
import pathlib

import numpy as np
import torch
import tyro

from reenact.geometry.landmarks import CHIN
from reenact.geometry.morphable import load_morphable
from reenact.geometry.rasterise import rasterise
from studies.head_template import fit_to_mean, nearest_on_surface, save, simplify

_JAWS = (0.0, 0.5, 1.0)
_YAWS, _PITCHES = (-0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9), (-0.35, 0.0, 0.35)
"""Openings of the jaw and turns of the head, radians, from which a triangle may be seen."""
_VIEW_PX = 512
_GUMS_LIGHT, _AMBIENT = 0.6, 0.6
"""Of a tooth: how bright gums are, and a surface that faces sideways."""
_DEPTH = 0.45
"""Eye distances behind the front teeth at which hardly any light is left,"""
_DARKEST = 0.2
"""and what is left of it there."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Reduce teeth and gums and write them."""

    asset: pathlib.Path
    """ict_face.npz."""
    out: pathlib.Path = pathlib.Path("checkpoints/teeth")
    """Folder of ``model.safetensors`` and ``config.json``."""
    vertices: int = 2000
    """Vertices that are kept."""


def main(arguments: Arguments) -> None:
    """Place, strip, light, reduce and save."""
    asset, model = np.load(arguments.asset), load_morphable()
    count = int(asset["part_head_and_neck"][1])
    neutral, triangles = asset["neutral"].astype(np.float64), asset["triangles"].astype(np.int64)[:, ::-1]
    skin = triangles[(triangles < count).all(1)]
    head, _, _, _ = fit_to_mean(model, neutral, asset["identity"].astype(np.float64), skin, asset["landmarks68"])
    from_cm = np.linalg.lstsq(np.c_[neutral[:count], np.ones(count)], head[:count], rcond=None)[0][:3]
    drop = asset["expression"][list(asset["expression_names"]).index("jawOpen")].astype(np.float64) @ from_cm

    first, stop = int(asset["part_gums_and_tongue"][0]), int(asset["part_teeth"][1])
    corners = triangles[((triangles >= first) & (triangles < stop)).all(1)] - first
    shape, jaw = head[first:stop], drop[first:stop]
    is_tooth = np.arange(first, stop) >= asset["part_teeth"][0]
    light = light_of(shape, corners, is_tooth)
    corners = corners[seen(shape, jaw, corners)]
    index, reduced = simplify(shape, corners, arguments.vertices, np.where(is_tooth, 1.0, 0.3))

    chin, share = nearest_on_surface(model.mean.double().numpy()[[CHIN]], head, skin)
    tensors = {
        "vertices": shape[index],
        "jaw": jaw[index],
        "light": light[index],
        "triangles": reduced,
        "chin_drop": (drop[chin] * share[..., None]).sum(1)[:, 1],
    }
    save(tensors, arguments.out / "model.safetensors")
    sizes = {name: len(tensors[name]) for name in ("vertices", "triangles")}
    config = {"format_version": 1, "model": "teeth", "network": sizes, "training": {}}
    (arguments.out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def light_of(shape: np.ndarray, triangles: np.ndarray, is_tooth: np.ndarray) -> np.ndarray:
    """Light of each vertex, from 1 on the front teeth to 0."""
    a, b, c = np.moveaxis(shape[triangles], 1, 0)
    normals = np.zeros_like(shape)
    for corner in triangles.T:
        np.add.at(normals, corner, np.cross(c - a, b - a))
    facing = normals[:, 2] / np.linalg.norm(normals, axis=1).clip(1e-12)
    depth = ((shape[is_tooth, 2].max() - shape[:, 2]) / _DEPTH).clip(0, 1)
    near = 1 - (1 - _DARKEST) * depth
    return np.where(is_tooth, 1.0, _GUMS_LIGHT) * (_AMBIENT + (1 - _AMBIENT) * facing.clip(0)) * near


def seen(shape: np.ndarray, jaw: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Which triangles are visible from any of the views (the roots in the gums never are)."""
    found, corners = np.zeros(len(triangles), bool), torch.from_numpy(triangles.copy())
    for amount in _JAWS:
        moved = shape + amount * jaw
        for yaw in _YAWS:
            for pitch in _PITCHES:
                cos, sin = np.cos(yaw), np.sin(yaw)
                turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
                cos, sin = np.cos(pitch), np.sin(pitch)
                turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ turn
                view = (moved - shape.mean(0)) @ turn.T * [1, -1, -1]
                pixels = torch.from_numpy(view * (_VIEW_PX * 0.6) + [_VIEW_PX / 2, _VIEW_PX / 2, 0])[None]
                hit = rasterise(pixels.float(), corners, _VIEW_PX, _VIEW_PX).triangle.unique()
                found[hit[hit >= 0].numpy()] = True
    return found


if __name__ == "__main__":
    main(tyro.cli(Arguments))
