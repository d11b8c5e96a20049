"""Recipe: the morphable model, learned in closed form from labelled meshes (no loop)."""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import Delaunay

from reenact.geometry.action_units import BLENDSHAPE_NAMES, read_action_units
from reenact.geometry.landmarks import (
    FACE_OVAL,
    INNER_LIP_RING,
    LEFT_EYE_OUTER,
    LEFT_EYE_RING,
    RIGHT_EYE_OUTER,
    RIGHT_EYE_RING,
)
from reenact.geometry.morphable import MorphableModel, align
from train.augment.mirror import MIRROR_BLENDSHAPES, mirror_of_mesh
from train.data.faces import FaceData
from train.run.export import write_model
from train.run.options import RecipeOptions

MOUTH_OPENING, EYE_OPENING, SKIN = 1, 2, 0
"""Values of `triangle_part`."""

_HIDDEN_IRIS = (470, 472, 475, 477)
"""Upper and lower rim of the irises: the lids cover them, so that they would fold the surface."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MorphableConfig:
    """Sizes and strengths."""

    identities: int = 60
    """Components of the identity basis."""
    expressions: int = 48
    """Components of the expression basis, irises included."""
    noise: float = 0.012
    """Expected error of a mesh point, in eye distances: the prior's weight against the data in `fit`."""


CLOSED_FORM = True
"""`build` learns and exports; there is no loop."""


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> None:
    """Learn, measure on `val` and export to ``OUT/export``; returns None, for there is no loop."""
    config = MorphableConfig()
    model = learn(train, config)
    figures = measure(model, val)
    print(figures)
    facts = {"config": dataclasses.asdict(config), "validation": figures, "meshes": len(train)}
    sizes = {"identities": config.identities, "expressions": config.expressions, "triangles": len(model.triangles)}
    write_model(model, options.out / "export", {"model": "morphable", "network": sizes}, facts)


class Faces(NamedTuple):
    """Faces to learn from, each also mirrored, so that the model is symmetric."""

    meshes: np.ndarray
    """(n, 478, 3) pixels."""
    blendshapes: np.ndarray
    """(n, 52)."""
    rotation: np.ndarray
    """(n, 3, 3) camera-from-head."""
    people: np.ndarray
    """(n,) index of the person; a mirrored face is of another one."""


def learn(data: FaceData, config: MorphableConfig) -> MorphableModel:
    """The model of one split."""
    faces, weight = gather_faces(data), rigid_weights()
    unposed = unpose_faces(faces, weight, mirror_of_mesh(data))
    count = np.bincount(faces.people)
    several, balance = count[faces.people] >= 8, 1 / np.sqrt(count[faces.people])

    def regress(shapes: np.ndarray, causes: np.ndarray) -> np.ndarray:
        return _regress_within_person(shapes[several], causes[several], faces.people[several], balance[several])

    effect = regress(unposed, faces.blendshapes)
    neutral = _mean_by(unposed - faces.blendshapes @ effect, faces.people)
    present = np.flatnonzero(count)
    mean = neutral[present].mean(0)
    identity_basis = _pca(neutral[present] - mean, np.ones(len(present)), config.identities)
    movement = unposed - neutral[faces.people]
    movement[~several] = faces.blendshapes[~several] @ effect  # one picture does not show a person's other movements
    expression_basis = _pca(movement, balance, config.expressions, centre=False)
    au_basis = regress(movement, _action_units(faces.blendshapes, unposed))
    bases = np.concatenate([identity_basis, expression_basis])  # rows already scaled to one standard deviation
    solver = np.linalg.solve(bases @ bases.T + config.noise**2 * np.eye(len(bases)), bases)
    opened = unposed[faces.blendshapes[:, BLENDSHAPE_NAMES.index("jawOpen")] > 0.3]
    triangles, parts = triangulate((opened.mean(0) if len(opened) > 20 else mean).reshape(478, 3))
    model = MorphableModel(identities=config.identities, expressions=config.expressions, triangles=len(triangles))
    values = {
        "mean": mean.reshape(478, 3),
        "identity_basis": identity_basis.reshape(-1, 478, 3),
        "expression_basis": expression_basis.reshape(-1, 478, 3),
        "au_basis": au_basis.reshape(-1, 478, 3),
        "rigid_weight": weight,
        "solver": solver,
        "triangles": triangles,
        "triangle_part": parts,
    }
    for name, value in values.items():
        getattr(model, name).copy_(torch.from_numpy(value))
    return model


def gather_faces(data: FaceData) -> Faces:
    """Stills and every second frame of clips, turned by up to 35 degrees."""
    rows = np.concatenate([np.flatnonzero(data.is_still), np.flatnonzero(~data.is_still)[::2]])
    rows = rows[np.abs(data.yaw_deg[rows]) <= 35]
    meshes, blendshapes = data.mesh_px[rows].astype(np.float64), data.blendshapes[rows]
    rotation, flip = data.rotation[rows].astype(np.float64), np.diag([-1.0, 1, 1])
    return Faces(
        meshes=np.concatenate([meshes, meshes[:, mirror_of_mesh(data)] * [-1, 1, 1]]),
        blendshapes=np.concatenate([blendshapes, blendshapes[:, MIRROR_BLENDSHAPES]]).astype(np.float64),
        rotation=np.concatenate([rotation, flip @ rotation @ flip]),
        people=np.concatenate([data.person[rows], data.person[rows] + data.person.max() + 1]),
    )


def unpose_faces(faces: Faces, weight: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """(n, 1434) shapes in the head coordinates of their symmetric mean, in eye distances."""
    mean = _first_mean(faces.meshes, faces.rotation)
    for _ in range(3):
        mean = _unpose(faces.meshes, mean, weight).mean(0)
        mean = (mean + mean[mirror] * [-1, 1, 1]) / 2
        mean /= np.linalg.norm(mean[LEFT_EYE_OUTER] - mean[RIGHT_EYE_OUTER])
    return _unpose(faces.meshes, mean, weight).reshape(len(faces.meshes), -1)


def _action_units(blendshapes: np.ndarray, unposed: np.ndarray) -> np.ndarray:
    shapes = torch.from_numpy(unposed).float().unflatten(1, (478, 3))
    return read_action_units(torch.from_numpy(blendshapes).float(), shapes).numpy().astype(np.float64)


def rigid_weights() -> np.ndarray:
    """(478,) weights of the pose alignment: small where faces move (mouth, jaw, lids, brows)."""
    weight = np.ones(478)
    moving = (
        "61 146 91 181 84 17 314 405 321 375 291 185 40 39 37 0 267 269 270 409 78 95 88 178 87 14 317 402 318 324 308"
        " 191 80 81 82 13 312 311 310 415 62 96 89 179 86 15 316 403 319 325 292 407 272 271 268 12 38 41 42 183 76 77"
        " 90 180 85 16 315 404 320 307 306 408 304 303 302 11 72 73 74 184 18 83 182 106 43 57 186 92 165 167 164 393"
        " 391 322 410 287 273 335 406 313 200 201 208 171 199 175 152 148 176 149 150 136 377 400 378 379 365 140 170"
        " 169 135 369 395 394 364 32 194 204 211 262 418 424 431 421 428 396 202 210 212 214 422 430 432 434 216 436"
        " 172 397 138 367 192 416 207 427 187 411 206 426 203 423 58 288"
    )
    weight[[int(index) for index in moving.split()]] = 0.05
    weight[list(INNER_LIP_RING) + list(RIGHT_EYE_RING) + list(LEFT_EYE_RING)] = 0.05
    weight[[33, 133, 263, 362]] = 1.0
    weight[468:] = 0.0
    return weight


def triangulate(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Delaunay triangles of the shape unrolled onto a cylinder, and which opening each belongs to.

    Args:
        shape: (478, 3) head coordinates of a mean face whose mouth stands open, so that the lips lie apart.

    Returns:
        (m, 3) corner indices, clockwise on screen when facing the viewer; (m,) SKIN, MOUTH_OPENING or EYE_OPENING.
    """
    used = np.array([i for i in range(478) if i not in _HIDDEN_IRIS])
    depth = shape[:, 2] - shape[:, 2].min() + 0.5
    flat = np.stack([np.arctan2(shape[:, 0], depth) * depth.mean(), shape[:, 1]], axis=1)
    triangles = used[Delaunay(flat[used]).simplices]
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    oval = np.array([_spans_the_rim(triangle) for triangle in triangles])
    longest = np.max([np.linalg.norm(a - b, axis=1), np.linalg.norm(b - c, axis=1), np.linalg.norm(c - a, axis=1)], 0)
    keep = ~oval & (np.abs(area) > 0.01 * longest**2)  # slivers along the rim
    triangles, area = triangles[keep], area[keep]
    # counter-clockwise with y up is clockwise... on screen y points down: orient so that the screen's cross is positive
    triangles[area > 0] = triangles[area > 0][:, [0, 2, 1]]
    part = np.zeros(len(triangles), np.int64)
    part[np.isin(triangles, INNER_LIP_RING).all(1)] = MOUTH_OPENING
    eyes = list(RIGHT_EYE_RING) + list(LEFT_EYE_RING) + list(range(468, 478))
    part[np.isin(triangles, eyes).all(1)] = EYE_OPENING
    return triangles.astype(np.int64), part


def _spans_the_rim(triangle: np.ndarray) -> bool:
    """Two corners on the face oval that are no neighbours there: a sliver outside the face, unfolded by a turn."""
    places = sorted(FACE_OVAL.index(int(corner)) for corner in triangle if int(corner) in FACE_OVAL)
    gaps = [(b - a) % len(FACE_OVAL) for a, b in itertools.combinations(places, 2)]
    return any(min(gap, len(FACE_OVAL) - gap) > 1 for gap in gaps)


def measure(model: MorphableModel, data: FaceData) -> dict[str, float]:
    """What the bases leave unexplained on other people, as shares of the eye distance."""
    mesh = torch.from_numpy(data.mesh_px[:: max(len(data) // 600, 1)].copy())
    fit = model.fit(mesh)
    other = align(mesh, model.mean[None], model.rigid_weight)
    return {
        "residual_percent": 100 * float(fit.residual.norm(dim=-1).mean()),
        "mean_shape_percent": 100 * float((other.invert(mesh) - model.mean).norm(dim=-1).mean()),
        "identity_std": float(fit.identity.std()),
        "expression_std": float(fit.expression.std()),
    }


def _first_mean(meshes: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    points = meshes * [1, -1, -1]
    points = points - points.mean(1, keepdims=True)
    points /= np.linalg.norm(points[:, LEFT_EYE_OUTER] - points[:, RIGHT_EYE_OUTER], axis=1)[:, None, None]
    return np.einsum("nij,nki->nkj", rotation, points).mean(0)


def _unpose(meshes: np.ndarray, mean: np.ndarray, weight: np.ndarray) -> np.ndarray:
    mesh = torch.from_numpy(meshes)
    pose = align(mesh, torch.from_numpy(mean)[None], torch.from_numpy(weight))
    return pose.invert(mesh).numpy()


def _regress_within_person(
    shapes: np.ndarray, causes: np.ndarray, people: np.ndarray, balance: np.ndarray
) -> np.ndarray:
    """(causes, 1434): ridge regression of shape on causes, both measured from each person's mean."""
    x = (causes - _mean_by(causes, people)[people]) * balance[:, None]
    y = (shapes - _mean_by(shapes, people)[people]) * balance[:, None]
    ridge = 1e-3 * np.trace(x.T @ x) / x.shape[1]
    return np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)


def _mean_by(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mean of the rows of each group; row g of the result belongs to group g."""
    total = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(total, group, values)
    return total / np.maximum(np.bincount(group, minlength=group.max() + 1), 1)[:, None]


def _pca(rows: np.ndarray, weight: np.ndarray, keep: int, centre: bool = True) -> np.ndarray:
    """(keep, d) principal axes, each as long as its standard deviation."""
    weight = weight / weight.sum()
    if centre:
        rows = rows - weight @ rows
    covariance = (rows * weight[:, None]).T @ rows
    values, vectors = np.linalg.eigh(covariance)
    deviation = np.sqrt(np.maximum(values[::-1][:keep], 1e-12))
    return vectors[:, ::-1][:, :keep].T * deviation[:, None]
