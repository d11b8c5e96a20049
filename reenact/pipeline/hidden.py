"""Parts of a face that something hides: named in a note, and held still in a driving clip until they are seen again."""

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reenact.errors import Note
from reenact.geometry.action_units import BLENDSHAPE_NAMES, read_action_units
from reenact.geometry.landmarks import LEFT_EYE_RING, RIGHT_EYE_RING
from reenact.geometry.morphable import MorphableModel, align, load_morphable
from reenact.perception.hidden import HIDDEN, HIDDEN_PARTS, hidden_shares
from reenact.pipeline.results import frame_ranges
from reenact.portrait.painters import DrivingFaces
from reenact.portrait.parts import OUTER_LIP_RING
from reenact.types import FaceGeometry

_POINTS = (OUTER_LIP_RING, RIGHT_EYE_RING, LEFT_EYE_RING)
_REACH = ((0.45, 0.75), (0.28, 0.42), (0.28, 0.42))
"""Distance from a part's middle, in eye distances, up to which the mesh is held, and from which on it is free."""
_STEP = 1 / 3
"""Change of a part's hold from frame to frame: nothing jumps, and one false alarm does little."""
_UPPER_LIP, _LOWER_LIP = 13, 14


def hidden_notes(
    network: nn.Module, rgb: Float[Tensor, "1 3 h w"], mesh_px: Float[Tensor, "1 478 3"], *, source: bool = False
) -> tuple[Note, ...]:
    """A note on the hidden parts of a face in a picture, of a driver or a source; empty if there are none."""
    shares = hidden_shares(network, rgb, mesh_px)[0].tolist()
    found = [part for part, share in zip(HIDDEN_PARTS, shares, strict=True) if share > HIDDEN]
    if not found:
        return ()
    then = "nothing is painted on it" if source else "it is guessed"
    return (Note(f"Something seems to hide the {' and the '.join(found)}, a hand or a mask perhaps; {then}."),)


def find_hidden(network: nn.Module, faces: DrivingFaces) -> Bool[Tensor, "3"]:
    """Which of `HIDDEN_PARTS` something hides in a picture of one face.

    Args:
        network: a `HiddenNetwork`.
        faces: the picture, f = 1.
    """
    return hidden_shares(network, faces.rgb, faces.mesh_px)[0].cpu() > HIDDEN


class HiddenParts:
    """Follows which parts of a driving face are hidden."""

    def __init__(self) -> None:
        """Start a clip."""
        self._model = load_morphable()
        self._weights = part_weights(self._model)
        self._blendshapes = torch.stack(
            [torch.tensor([_moves(name, part) for name in BLENDSHAPE_NAMES]) for part in range(3)]
        )
        self._frames: tuple[list[int], ...] = ([], [], [])
        self._hold = torch.zeros(3)
        self._held: FaceGeometry | None = None

    def start_shot(self, neutral: FaceGeometry) -> None:
        """Parts that are hidden from here on stand as in the reference."""
        self._held, self._hold = neutral, torch.zeros(3)

    def hold(
        self, index: int, geometry: FaceGeometry, hidden: Bool[Tensor, "3"], faces: DrivingFaces | None = None
    ) -> tuple[FaceGeometry, DrivingFaces | None]:
        """The next frame with its hidden parts as they were seen last.

        Args:
            index: of the frame.
            geometry: of the face.
            hidden: of `find_hidden`.
            faces: the same face as a small crop, if there is a picture.
        """
        for frames, is_hidden in zip(self._frames, hidden.tolist(), strict=True):
            frames.extend([index] if is_hidden else [])
        self._hold = (self._hold + torch.where(hidden, _STEP, -_STEP)).clamp(0, 1)
        if self._held is None or not self._hold.any():
            self._held = geometry
            return geometry, faces
        held = self._mixed(geometry, self._held)
        self._held = held
        if faces is not None and self._hold[0] > 0:  # lips that are closed tell the painter: this mouth shows no teeth
            mesh_px = faces.mesh_px.clone()
            mesh_px[:, _LOWER_LIP] = mesh_px[:, _UPPER_LIP]
            faces = DrivingFaces(rgb=faces.rgb, mesh_px=mesh_px)
        return held, faces

    def _mixed(self, now: FaceGeometry, before: FaceGeometry) -> FaceGeometry:
        """The face of this frame, with each part as far as it is held from the frame before."""
        mesh, shape = now.mesh_px, before.mesh_px * before.mesh_px.new_tensor([1.0, -1.0, -1.0])
        share = (self._hold[:, None] * self._weights).amax(0)[:, None].to(mesh)
        pose = align(mesh, shape, self._model.rigid_weight.to(mesh) * (1 - share[:, 0]))
        mesh = torch.lerp(mesh, pose.apply(shape), share)
        kept = (self._hold[:, None] * self._blendshapes).amax(0).to(mesh)
        blendshapes = torch.lerp(now.blendshapes, before.blendshapes, kept)
        units = read_action_units(blendshapes, mesh)
        return dataclasses.replace(now, mesh_px=mesh, blendshapes=blendshapes, action_units=units)

    def notes(self, name: object) -> tuple[Note, ...]:
        """Which parts were hidden in which frames."""
        return tuple(
            Note(f"{name}: something seems to hide the {part} in frames {frame_ranges(frames)}; it was held.")
            for part, frames in zip(HIDDEN_PARTS, self._frames, strict=True)
            if frames
        )


def part_weights(model: MorphableModel) -> Float[Tensor, "3 478"]:
    """How far each mesh point belongs to each of `HIDDEN_PARTS`, 0 to 1."""
    return torch.stack([_near(model, ring, reach) for ring, reach in zip(_POINTS, _REACH, strict=True)])


def _near(model: MorphableModel, ring: Sequence[int], reach: tuple[float, float]) -> Float[Tensor, "478"]:
    distance = (model.mean - model.mean[list(ring)].mean(0))[:, :2].norm(dim=1)
    return ((reach[1] - distance) / (reach[1] - reach[0])).clamp(0, 1)


def _moves(name: str, part: int) -> float:
    """1 if the blendshape belongs to the part: 0 the mouth, 1 the right eye, 2 the left eye."""
    if part == 0:
        return float(name.startswith(("mouth", "jaw", "cheekPuff")))
    return float(name.startswith(("eye", "browDown", "browOuter")) and name.endswith(("", "Right", "Left")[part]))
