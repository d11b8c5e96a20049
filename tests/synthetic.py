"""Synthetic faces for tests: posed meshes of the morphable model with a texture that moves with the mesh."""

import dataclasses
import functools
import math

import numpy as np
import torch
from torch import Tensor

from reenact.geometry.landmarks import LEFT_EYE_RING, RIGHT_EYE_RING
from reenact.geometry.morphable import MorphableModel, Pose, load_morphable
from reenact.geometry.rasterise import rasterise
from reenact.portrait.matte import FACE, HAIR, SKIN
from reenact.portrait.portrait import Portrait, build_portrait
from reenact.types import FaceGeometry, FaceImage
from train.data.faces import FaceData


def rotation_of(pitch_deg: float = 0, yaw_deg: float = 0, roll_deg: float = 0) -> Tensor:
    """(3, 3) camera_from_head with these head angles: Ry(yaw) Rx(pitch) Rz(roll)."""
    (sp, cp), (sy, cy), (sr, cr) = (
        (math.sin(math.radians(angle)), math.cos(math.radians(angle))) for angle in (pitch_deg, yaw_deg, roll_deg)
    )
    about_y = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = torch.tensor([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = torch.tensor([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def pose_of(rotations: list[Tensor], *, scale: float, centre: tuple[float, float]) -> Pose:
    """Poses with these rotations, all at one scale and position."""
    return Pose(
        rotation=torch.stack(rotations),
        scale=torch.full((len(rotations),), float(scale)),
        translation_px=torch.tensor([[*centre, 0.0]]).expand(len(rotations), -1).contiguous(),
    )


def random_coefficients(rng: np.random.Generator, frames: int, size: int, spread: float = 0.5) -> Tensor:
    """(frames, size) normally distributed coefficients with standard deviation `spread`."""
    return torch.from_numpy(rng.normal(0, spread, (frames, size)).astype(np.float32))


def random_clip(model: MorphableModel, rng: np.random.Generator, frames: int, side: int) -> tuple[Tensor, Tensor]:
    """Meshes (frames, 478, 3) of one person, in pixels of a crop of `side`, and rotations (frames, 3, 3)."""
    rotations = [rotation_of(*rng.normal(0, (6, 14, 4))) for _ in range(frames)]
    identity = random_coefficients(rng, 1, len(model.identity_basis)).expand(frames, -1)
    expression = random_coefficients(rng, frames, len(model.expression_basis))
    pose = pose_of(rotations, scale=0.27 * side, centre=(0.5 * side, 0.53 * side))
    return model.assemble(identity, expression, pose), pose.rotation


def paint(model: MorphableModel, mesh_px: Tensor, side: int) -> Tensor:
    """(f, 3, side, side) RGB in [0, 1]: the mesh with a striped texture fixed to its surface, on a gradient."""
    raster = rasterise(mesh_px, model.triangles, side, side)
    place = raster.interpolate(model.colours.expand(len(mesh_px), -1, -1).contiguous(), model.triangles)
    x, y, z = place.unbind(1)
    stripes = torch.stack([0.5 + 0.4 * torch.sin(18 * x), 0.5 + 0.4 * torch.cos(14 * y), 0.3 + 0.6 * z], dim=1)
    ramp = torch.linspace(0, 1, side)
    ground = torch.stack([ramp.expand(side, -1), ramp[:, None].expand(-1, side), torch.full((side, side), 0.4)])
    return torch.where(raster.covered[:, None], stripes, 0.2 + 0.5 * ground).clamp(0, 1)


def face_geometry(mesh_px: Tensor, rotation: Tensor) -> FaceGeometry:
    """Face geometry with score 1, and blendshapes and Action Units of 0."""
    frames = len(mesh_px)
    return FaceGeometry(
        mesh_px=mesh_px,
        blendshapes=torch.zeros(frames, 52),
        rotation=rotation,
        action_units=torch.zeros(frames, 17),
        score=torch.ones(frames),
    )


def painted_clip(
    model: MorphableModel, rng: np.random.Generator, frames: int, side: int
) -> tuple[FaceImage, FaceGeometry]:
    """Crops of one synthetic person and their geometry."""
    mesh, rotation = random_clip(model, rng, frames, side)
    image = FaceImage(rgb=paint(model, mesh, side), crop_from_frame=torch.eye(3).expand(frames, -1, -1))
    return image, face_geometry(mesh, rotation)


def face_set(
    model: MorphableModel, rng: np.random.Generator, clips: int = 2, frames: int = 3, stills: int = 3
) -> FaceData:
    """A labelled set in memory: `clips` of `frames` each, then `stills`, each of a different person."""
    lengths = [frames] * clips + [1] * stills
    parts = [random_clip(model, rng, length, 256) for length in lengths]
    mesh, rotation = (torch.cat(values) for values in zip(*parts, strict=True))
    person = np.repeat(np.arange(len(lengths)), lengths)
    count = len(mesh)
    pictures = [paint(model, one[None], 256)[0].permute(1, 2, 0) for one in mesh]
    embedding = rng.normal(size=(count, 256)).astype(np.float32)
    return FaceData(
        rgb=(torch.stack(pictures) * 255).round().byte().numpy(),
        mesh_px=mesh.numpy(),
        blendshapes=rng.uniform(0, 1, (count, 52)).astype(np.float32),
        rotation=rotation.numpy(),
        embedding=embedding / np.linalg.norm(embedding, axis=1, keepdims=True),
        parsing=np.zeros((count, 128, 128), np.uint8),
        has_parsing=np.ones(count, bool),
        person=person,
        clip=np.where(person < clips, person, -1),
        names=tuple(str(i) for i in range(count)),
    )


def with_parsing(data: FaceData, *, hair: bool = False) -> FaceData:
    """Add a parsing: face inside the mesh (its upper part hair if `hair`), background elsewhere."""
    mesh = np.array(data.mesh_px)
    covered = rasterise(torch.from_numpy(mesh) / 2, load_morphable().triangles, 128, 128).covered.numpy()
    above = np.arange(128)[None, :, None] < mesh[:, 168, 1, None, None] / 2 - 10
    parsing = np.where(covered, np.where(above & hair, HAIR, FACE), 0)
    return dataclasses.replace(data, parsing=parsing.astype(np.uint8))


@functools.cache
def painted_portrait() -> Portrait:
    """The layers of a painted photo."""
    rgb, mesh_px, parsing = painted_photo(load_morphable(), 0, 64)
    picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    mesh = torch.from_numpy(mesh_px)[None] / 32 - torch.tensor([1.0, 1.0, 0.0])
    return build_portrait(load_morphable(), picture, torch.from_numpy(parsing)[None], mesh)


def painted_photo(model: MorphableModel, yaw_deg: float, side: int = 128) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (uint8), mesh and parsing of the mean face with dark hair and a neck, on a plain background."""
    unit = side / 128
    pose = pose_of([rotation_of(0, yaw_deg, 0)], scale=34 * unit, centre=(64 * unit, 68 * unit))
    mesh = pose.apply(model.mean[None])
    y, x = np.mgrid[:side, :side] + 0.5
    middle = mesh[0, :, 0].mean().item()
    rgb = np.full((side, side, 3), (90, 130, 160), np.uint8)
    parsing = np.zeros((side, side), np.uint8)
    neck = (np.abs(x - middle) < 14 * unit) & (y > 72 * unit)
    hair = (np.hypot(x - middle, y - 58 * unit) < 44 * unit) & (y < 72 * unit)
    face = rasterise(mesh, model.triangles, side, side).covered[0].numpy()
    painted = (paint(model, mesh, side)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    for where, colour, kind in ((neck, (200, 150, 130), SKIN), (hair, (40, 25, 20), HAIR), (face, painted[face], FACE)):
        rgb[where], parsing[where] = colour, kind
    return rgb, mesh[0].numpy(), parsing[::2, ::2]


def wink(shape: torch.Tensor, *, left: bool) -> torch.Tensor:
    """Meshes (f, 478, 3) with the person's left, or right, eye nine tenths closed."""
    ring = LEFT_EYE_RING if left else RIGHT_EYE_RING
    lower, upper = (list(ring[1:8]), list(ring[-1:8:-1]))
    closed = shape.clone()
    closed[:, upper] = torch.lerp(shape[:, upper], shape[:, lower], 0.9)
    return closed
