"""The template of a full head, reduced from ICT-FaceKit: ``python -m studies.head_template --asset ict_face.npz``.

ICT-FaceKit (USC Institute for Creative Technologies, MIT) has skull, ears and neck, which the 478-point mesh lacks.
Its mean head is fitted to the morphable model's mean face, reduced to a few thousand vertices and a few modes of
people, and written in the morphable model's head coordinates (`reenact/portrait/head/template.py` loads it).
"""

import dataclasses
import heapq
import json
import math
import pathlib

import numpy as np
import torch
import tyro
from safetensors.torch import save_file
from scipy.spatial import cKDTree
from torch.nn import functional

from reenact.geometry.landmarks import FACE_OVAL, INNER_LIP_RING, LANDMARKS_68, LEFT_EYE_RING, RIGHT_EYE_RING
from reenact.geometry.morphable import MorphableModel, align, load_morphable
from reenact.geometry.rasterise import Raster, rasterise

FACE, SKULL, EAR, NECK = range(4)
"""Values of `part`."""

_PIXEL_AXES = np.array([1.0, -1.0, -1.0])
_NECK_LINE = np.array([[-6.0, -3.5], [5.5, -8.7]])
"""z and y (cm) of two points, nape and throat, of the plane that parts head and neck."""
_NECK_CM = 7.0
"""Length of the neck below that plane, over which the head's motion fades to nothing."""
_LOWEST_CM = -16.5
"""Shoulders below this height are left out."""
_EAR_BOX = np.array([[7.2, -2.4, -2.0], [11.0, 4.2, 2.4]])
"""Least and greatest |x|, y and z (cm) of an ear."""
_EAR_PX, _EAR_MARGIN, _EAR_FADE = 64, 0.15, 0.25
"""Side of the picture of the ear's light, what it shows around the ear, share of the ear's height, and the share of a
half-side over which it fades to that of a plain cheek."""
_LIGHTS, _FROM_ABOVE, _SHADOW_PX, _BIAS = 400, 0.45, 256, 0.004
"""Directions of the light, how much more comes from above, side of the shadow maps, and the depth, eye distances,
within which a point is at the surface."""
_NEAR = 0.12
"""Template vertices up to this distance (eye distances) from the inside of the mean mesh follow its triangles."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Reduce the head and write it."""

    asset: pathlib.Path
    """ict_face.npz: neutral, identity, triangles, landmarks68, and the ranges of its parts."""
    out: pathlib.Path = pathlib.Path("checkpoints/head_template")
    """Folder of ``model.safetensors`` and ``config.json``."""
    vertices: int = 1500
    """Vertices that are kept."""
    modes: int = 14
    """Modes of people that are kept."""
    noise: float = 0.04
    """Expected difference between a mesh point and the template, in eye distances: the prior's weight in the fit."""


def main(arguments: Arguments) -> None:
    """Fit, reduce, bind and save."""
    asset, model = np.load(arguments.asset), load_morphable()
    count = int(asset["part_head_and_neck"][1])
    triangles = asset["triangles"][(asset["triangles"] < count).all(1)].astype(np.int64)[:, ::-1]
    neutral, modes = asset["neutral"][:count].astype(np.float64), asset["identity"][:, :count].astype(np.float64)
    part, follow = label(neutral)
    shape, modes, corner_of, share_of = fit_to_mean(model, neutral, modes, triangles, asset["landmarks68"])
    modes = strongest(modes, arguments.modes)
    at_points = (modes[:, corner_of] * share_of[..., None]).sum(2)
    bound, corners, weights = bind(model, shape)
    part[bound & (part != EAR)] = FACE
    kept = neutral[:, 1] > _LOWEST_CM
    importance = np.array([0.3, 1.0, 2.0, 0.6])[part]
    index, reduced = simplify(shape, triangles[kept[triangles].all(1)], arguments.vertices, importance)
    on_face = (part[index] == FACE).nonzero()[0]
    used = reliable_points()
    flat = at_points[:, used].reshape(len(modes), -1)
    solver = np.zeros((len(modes), 478, 3))
    solver[:, used] = np.linalg.solve(flat @ flat.T + arguments.noise**2 * np.eye(len(modes)) * 30, flat).reshape(
        len(modes), -1, 3
    )
    tensors = {
        "vertices": shape[index],
        "modes": modes[:, index],
        "rim": (shape[corner_of] * share_of[..., None]).sum(1)[list(FACE_OVAL)],
        "rim_modes": at_points[:, list(FACE_OVAL)],
        "solver": solver.reshape(len(modes), -1),
        "triangles": reduced,
        "part": part[index],
        "follow": follow[index],
        "on_face": on_face,
        "corners": corners[index[on_face]],
        "weights": weights[index[on_face]],
    }
    tensors |= light_ear(shape, triangles, part == EAR)
    save(tensors, arguments.out / "model.safetensors")
    sizes = {name: len(tensors[name]) for name in ("vertices", "triangles", "modes")}
    config = {"format_version": 1, "model": "head_template", "network": sizes, "training": {"noise": arguments.noise}}
    (arguments.out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def light_ear(shape: np.ndarray, triangles: np.ndarray, is_ear: np.ndarray) -> dict[str, np.ndarray]:
    """Light that reaches the ear of positive x from everywhere, seen from its side.

    Returns:
        ear_light: (`_EAR_PX`, `_EAR_PX`), over that of the plain side of a head; rows from y downwards, columns from z
            backwards. ear_box: (2, 2), middle and half-side of that picture in z and y.
    """
    vertices, corners = torch.from_numpy(shape).float(), torch.from_numpy(triangles.copy())
    ear = vertices[torch.from_numpy(is_ear) & (vertices[:, 0] > 0)]
    low, high = ear.amin(0), ear.amax(0)
    middle, half = (low + high) / 2, float((high - low)[1:].max()) * (0.5 + _EAR_MARGIN)
    sides = [vertices[corners[:, i]] for i in range(3)]
    of_triangle = torch.linalg.cross(sides[1] - sides[0], sides[2] - sides[0])
    normals = torch.zeros_like(vertices)
    for i in range(3):
        normals.index_add_(0, corners[:, i], of_triangle)
    normals *= torch.sign((normals * (vertices - vertices.mean(0))).sum())

    def seen_from(direction: torch.Tensor, up: torch.Tensor, px: int) -> tuple[torch.Tensor, Raster]:
        right = functional.normalize(torch.linalg.cross(up, direction), dim=0)
        axes = torch.stack([right, torch.linalg.cross(direction, right), direction])
        place = (vertices - middle) @ axes.T / half
        pixels = torch.stack([(1 + place[:, 0]) * px / 2, (1 - place[:, 1]) * px / 2, -place[:, 2]], 1)
        return axes, rasterise(pixels[None], corners, px, px)

    height = torch.tensor([0.0, 1.0, 0.0])
    _, raster = seen_from(torch.tensor([1.0, 0.0, 0.0]), height, _EAR_PX)
    found = raster.interpolate(torch.cat([vertices, normals], 1)[None], corners)[0].flatten(1).T
    points, facing = found[:, :3], functional.normalize(found[:, 3:], dim=1)
    number = torch.arange(_LIGHTS) + 0.5
    fall, turn = 1 - 2 * number / _LIGHTS, math.pi * (1 + math.sqrt(5)) * number
    level = (1 - fall.square()).sqrt()
    light, plain = torch.zeros(len(points)), 0.0
    for direction in torch.stack([turn.cos() * level, fall, turn.sin() * level], 1):
        strength = 1 + _FROM_ABOVE * float(direction[1])
        plain += strength * max(float(direction[0]), 0.0)
        axes, shadow = seen_from(direction, height if abs(direction[1]) < 0.9 else height.roll(1), _SHADOW_PX)
        depth = shadow.interpolate(vertices[None] @ axes[2:].T, corners)
        depth = torch.where(shadow.covered[:, None], depth, -math.inf)
        place = (points - middle) @ axes.T / half
        at = torch.stack([place[:, 0], -place[:, 1]], 1)[None, None]
        nearest = functional.grid_sample(depth, at, mode="nearest", align_corners=False)[0, 0, 0]
        reached = (points @ axes[2] > nearest - _BIAS) | (at[0, 0].abs() > 1).any(1)
        light += strength * (facing @ direction).clamp(min=0) * reached
    place = (points - middle)[:, 1:].abs().amax(1) / half
    share = ((1 - place) / _EAR_FADE).clamp(0, 1) * raster.covered[0].flatten()
    light = torch.lerp(torch.ones_like(light), light / plain, share)
    box = torch.tensor([[float(middle[2]), float(middle[1])], [half, half]])
    return {"ear_light": light.view(_EAR_PX, _EAR_PX).numpy(), "ear_box": box.numpy()}


def save(tensors: dict[str, np.ndarray], path: pathlib.Path) -> None:
    """Numbers in half precision, indices in 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = {
        name: torch.from_numpy(np.ascontiguousarray(value)).to(
            torch.float16 if value.dtype.kind == "f" else torch.int16
        )
        for name, value in tensors.items()
    }
    save_file(packed, path)
    print({name: tuple(value.shape) for name, value in packed.items()}, path.stat().st_size)


def reliable_points() -> np.ndarray:
    """Mesh points that lie on skin which does not open: neither lids, irises nor the inside of the lips."""
    moving = {*INNER_LIP_RING, *LEFT_EYE_RING, *RIGHT_EYE_RING, *range(468, 478)}
    return np.array([i for i in range(478) if i not in moving])


def label(neutral: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Part of each vertex (without the face), and the share of the head's motion that it follows."""
    (z0, y0), (z1, y1) = _NECK_LINE
    height = neutral[:, 1] - (y0 + (neutral[:, 2] - z0) * (y1 - y0) / (z1 - z0))
    depth = np.clip(-height / _NECK_CM, 0, 1)
    part = np.where(height < 0, NECK, SKULL)
    place = np.concatenate([np.abs(neutral[:, :1]), neutral[:, 1:]], 1)
    part[((place > _EAR_BOX[0]) & (place < _EAR_BOX[1])).all(1)] = EAR
    return part, 1 - depth**2 * (3 - 2 * depth)


def fit_to_mean(
    model: MorphableModel, neutral: np.ndarray, modes: np.ndarray, triangles: np.ndarray, landmarks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The head of the mean face in its coordinates, and the surface point of each mesh point (corners, shares).

    Landmarks first, then the nearest point of the surface, in turns with pose and modes.
    """
    mean, used = model.mean.double().numpy(), reliable_points()
    shape, own = neutral, neutral[landmarks]
    target, own_modes = mean[list(LANDMARKS_68)], modes[:, landmarks]
    corner_of = share_of = np.zeros((0, 3))
    for round_ in range(12):
        pose = align(
            torch.from_numpy(target * _PIXEL_AXES)[None], torch.from_numpy(own)[None], torch.ones(len(own)).double()
        )
        rotation, scale = pose.rotation[0].numpy(), float(pose.scale[0])
        origin = pose.translation_px[0].numpy() * _PIXEL_AXES
        wanted = (target - origin) @ rotation / scale  # in cm
        start, flat = wanted - own, own_modes.reshape(len(modes), -1)
        coefficients = np.linalg.solve(flat @ flat.T + 3.0 * np.eye(len(modes)), flat @ start.reshape(-1))
        shape = neutral + np.einsum("k,kvc->vc", coefficients, modes)
        head = scale * shape @ rotation.T + origin
        corner_of, share_of = nearest_on_surface(mean, head, triangles)
        own, target = (neutral[corner_of] * share_of[..., None]).sum(1)[used], mean[used]
        own_modes = (modes[:, corner_of] * share_of[..., None]).sum(2)[:, used]
        distance = np.linalg.norm((head[corner_of] * share_of[..., None]).sum(1) - mean, axis=1)[used]
        print(round_, "mean distance", distance.mean().round(4), "eye distances; largest", distance.max().round(3))
    return head, scale * modes @ rotation.T, corner_of, share_of


def strongest(modes: np.ndarray, keep: int) -> np.ndarray:
    """Principal axes of the modes with unit coefficients."""
    flat = modes.reshape(len(modes), -1)
    _, turn = np.linalg.eigh(flat @ flat.T)
    return (turn[:, ::-1][:, :keep].T @ flat).reshape(keep, -1, 3)


def bind(model: MorphableModel, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices on the face, and the mesh corners and weights that each vertex is nearest to."""
    mean, triangles = model.mean.double().numpy(), model.triangles.numpy()
    corners, weights = nearest_on_surface(shape, mean, triangles)
    place = (mean[corners] * weights[..., None]).sum(1)
    rim = np.isin(corners, FACE_OVAL) * weights
    return (np.linalg.norm(place - shape, axis=1) < _NEAR) & (rim.sum(1) < 0.999), corners, weights


def nearest_on_surface(points: np.ndarray, surface: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 3) and barycentric weights of the nearest place on the 24 triangles with the nearest centres."""
    centres = surface[triangles].mean(1)
    _, candidates = cKDTree(centres).query(points, k=24)
    a, b, c = np.moveaxis(surface[triangles[candidates]], 2, 0)
    weights = barycentric(points[:, None], a, b, c)
    place = (np.stack([a, b, c], 2) * weights[..., None]).sum(2)
    best = np.linalg.norm(place - points[:, None], axis=-1).argmin(1)
    rows = np.arange(len(points))
    return triangles[candidates[rows, best]], weights[rows, best]


def barycentric(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Weights of the place of a triangle that is nearest to `p`: inside it, or on one of its edges."""
    ab, ac, ap = b - a, c - a, p - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    below = np.maximum(d00 * d11 - d01 * d01, 1e-18)
    v, w = (d11 * d20 - d01 * d21) / below, (d00 * d21 - d01 * d20) / below
    inside = np.stack([1 - v - w, v, w], -1)
    options = [inside]
    corners = (a, b, c)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        edge = corners[j] - corners[i]
        t = np.clip(((p - corners[i]) * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-18), 0, 1)
        on_edge = np.zeros_like(inside)
        on_edge[..., i], on_edge[..., j] = 1 - t, t
        options.append(on_edge)
    stacked = np.stack(options)
    place = (stacked[..., None] * np.stack(corners, -2)).sum(-2)
    distance = np.linalg.norm(place - p, axis=-1)
    distance[0][(inside < 0).any(-1)] = np.inf
    return np.take_along_axis(stacked, distance.argmin(0)[None, ..., None], 0)[0]


def simplify(
    shape: np.ndarray, triangles: np.ndarray, keep: int, importance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Collapse edges onto one of their ends, cheapest first (Garland and Heckbert, 1997); kept vertices do not move.

    Returns:
        Indices of the kept vertices, and triangles between them.
    """
    surface = _Surface(shape, triangles, importance)
    heap = [(surface.cost(u, v), u, v, 0, 0) for u in surface.ring for v in surface.ring[u]]
    heapq.heapify(heap)
    while len(surface.ring) > keep and heap:
        _, u, v, age_u, age_v = heapq.heappop(heap)
        current = u in surface.ring and v in surface.ring[u] and (surface.age[u], surface.age[v]) == (age_u, age_v)
        if not current or not surface.may_collapse(u, v):
            continue
        surface.collapse(u, v)
        for near in surface.ring.get(v, ()):
            for one, other in ((v, near), (near, v)):
                entry = (surface.cost(one, other), one, other, surface.age[one], surface.age[other])
                heapq.heappush(heap, entry)
    index = np.array(sorted(surface.ring))
    place = np.full(len(shape), -1)
    place[index] = np.arange(len(index))
    return index, place[np.array(sorted(surface.faces))]


class _Surface:
    """A triangle mesh whose edges collapse."""

    def __init__(self, shape: np.ndarray, triangles: np.ndarray, importance: np.ndarray) -> None:
        self.shape = shape
        self.importance = importance
        self.faces: set[tuple[int, int, int]] = {tuple(map(int, t)) for t in triangles}
        self.of: dict[int, set[tuple[int, int, int]]] = {}
        self.ring: dict[int, set[int]] = {}
        self.quadric = np.zeros((len(shape), 4, 4))
        self.age = np.zeros(len(shape), int)
        edges: dict[tuple[int, int], int] = {}
        for face in self.faces:
            normal = self._normal(face)
            area = np.linalg.norm(normal)
            normal = normal / max(area, 1e-12)
            plane = np.append(normal, -normal @ shape[face[0]])
            for i, vertex in enumerate(face):
                self.of.setdefault(vertex, set()).add(face)
                self.ring.setdefault(vertex, set()).update(set(face) - {vertex})
                self.quadric[vertex] += area * np.outer(plane, plane)
                edge = (face[i], face[(i + 1) % 3])
                edges[edge[0], edge[1]] = 1
        for u, v in edges:
            if (v, u) not in edges:  # a plane through the border keeps it in place
                along = shape[v] - shape[u]
                across = np.cross(along, self._normal(next(f for f in self.of[u] if v in f)))
                across /= max(np.linalg.norm(across), 1e-12)
                plane = np.append(across, -across @ shape[u])
                for vertex in (u, v):
                    self.quadric[vertex] += 10 * (along @ along) * np.outer(plane, plane)

    def _normal(self, face: tuple[int, int, int]) -> np.ndarray:
        a, b, c = self.shape[list(face)]
        return np.cross(b - a, c - a) / 2

    def cost(self, u: int, v: int) -> float:
        """Error of moving u onto v, and a little for its length, so that triangles stay even."""
        place, along = np.append(self.shape[v], 1), self.shape[v] - self.shape[u]
        error = float(place @ (self.quadric[u] + self.quadric[v]) @ place)
        return (error + 2e-4 * float(along @ along) ** 2) * float(self.importance[u])

    def may_collapse(self, u: int, v: int) -> bool:
        """The surface stays a surface, and no triangle turns over."""
        shared = [face for face in self.of[u] if v in face]
        if len(self.ring[u] & self.ring[v]) != len(shared):
            return False
        for face in self.of[u] - set(shared):
            moved = tuple(v if corner == u else corner for corner in face)
            before, after = self._normal(face), self._normal(moved)
            if before @ after <= 0.2 * np.linalg.norm(before) * np.linalg.norm(after):
                return False
        return True

    def collapse(self, u: int, v: int) -> None:
        """Move u onto v."""
        for face in list(self.of[u]):
            for corner in face:
                self.of[corner].discard(face)
            self.faces.discard(face)
            if v not in face:
                moved = tuple(v if corner == u else corner for corner in face)
                self.faces.add(moved)
                for corner in moved:
                    self.of[corner].add(moved)
        touched = self.ring.pop(u)
        del self.of[u]
        for vertex in touched:
            self.ring[vertex] = {corner for face in self.of[vertex] for corner in face} - {vertex}
        self.quadric[v] += self.quadric[u]
        self.age[v] += 1
        for vertex in touched:
            if not self.ring[vertex]:
                del self.ring[vertex], self.of[vertex]


if __name__ == "__main__":
    main(tyro.cli(Arguments))
