"""Validation of a shape generator: pairs of people it has not seen, and its errors on them.

Errors are in pixels of a 256 px crop; landmarks are compared at the place and size of the reference's own.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.geometry.landmarks import LANDMARKS_68, landmarks68_of
from reenact.geometry.matching import MatchedShape, match_shape, read_mesh_motion, split_identity
from reenact.geometry.morphable import MorphableModel, align
from reenact.systems.dual_generator.networks import Placement, place, standardise
from reenact.systems.dual_generator.shape import AnchoredShape
from train.data.faces import FaceData
from train.evaluate.metrics import ace_px
from train.profiling.turn import turn_mesh

FRAMES_PER_CLIP = 8
"""Validation frames of each clip."""
LARGE_YAW_DEG = (-80.0, -65.0, 65.0, 80.0)
"""Yaws to which validation references are turned for the large-pose figure."""

_NOISE = 0.012
"""Expected error of a landmark, eye distances."""


class ValidationPairs(NamedTuple):
    """References on one source."""

    kind: str
    """"" self-reenactment, "_large" turned, "_cross" another person's."""
    reference_mesh: Float[Tensor, "n 478 3"]
    """Pixels of its crop."""
    source_mesh: Float[Tensor, "1 478 3"]
    """Pixels of its own."""
    source_code: Float[Tensor, "n 256"]
    target: Float[Tensor, "n 68 3"]
    """Right answer, standardised."""

    @property
    def reference(self) -> Float[Tensor, "n 68 3"]:
        """Standardised."""
        return standardise(landmarks68_of(self.reference_mesh))[0]

    @property
    def placement(self) -> Placement:
        """Where the reference stands."""
        return standardise(landmarks68_of(self.reference_mesh))[1]


def validation_pairs(data: FaceData, model: MorphableModel) -> list[ValidationPairs]:
    """Fixed pairs of a split; none where it has no clips."""
    found: list[ValidationPairs] = []
    for i, (first, last) in enumerate(data.clip_ranges):
        rows = np.linspace(first, last - 1, FRAMES_PER_CLIP + 1).round().astype(int)[1:]
        mesh, source, code = _mesh(data, rows), _mesh(data, [first]), _codes(data, [first] * len(rows))
        standard = standardise(landmarks68_of(mesh))[0]
        found.append(ValidationPairs("", mesh, source, code, standard))
        turn_rad = np.radians(np.resize(LARGE_YAW_DEG, len(rows)) - data.yaw_deg[rows]).astype(np.float32)
        turned = turn_mesh(mesh, torch.from_numpy(turn_rad), mesh.mean(1))
        found.append(ValidationPairs("_large", turned, source, code, standardise(landmarks68_of(turned))[0]))
        other = data.clip_ranges[(i + 1) % len(data.clip_ranges)][0]
        if data.person[other] != data.person[first]:
            other_mesh, code = _mesh(data, [other]), _codes(data, [other] * len(rows))
            target = matched_landmarks(model, other_mesh, mesh)
            found.append(ValidationPairs("_cross", mesh, other_mesh, code, target))
    return found


@torch.no_grad()
def shape_figures(
    pairs: list[ValidationPairs], net: nn.Module, model: MorphableModel, device: torch.device
) -> dict[str, float]:
    """Figures, each also for the result as the system uses it.

    - ace_px: self-reenactment, from the first frame of a clip to later ones. ace_anchored_px: anchored in the source's
      own landmarks (`AnchoredShape`). ace_used_px: averaged with the identity-matched mesh, as the system does.
      ace_copy_px: the source's own landmarks, unmoved.
    - ace_large_px ...: the same, the reference turned in depth to `LARGE_YAW_DEG`.
    - ace_cross_px ...: another person's frames, against the source's mesh with that frame's expression and pose by the
      morphable model, in place of RaFD's pictures of two people with one action.
    - nearer_source ...: share of other people's frames for which the result's neutral, aligned shape (`neutral_shape`)
      is nearer to the source's than to the reference's.
    """
    figures: dict[str, list[float]] = {}
    anchored, net = AnchoredShape(model), net.to(device)

    def generate(landmarks: Tensor, code: Tensor) -> Tensor:
        return net(landmarks.to(device), code.to(device)).landmarks.cpu()

    for pair in pairs:
        placement, own = pair.placement, landmarks68_of(pair.source_mesh)
        wanted = place(pair.target, placement)
        source = anchored.take(own, model.fit(pair.source_mesh).pose, pair.source_code[:1])
        acted = anchored.act(generate, source, landmarks68_of(pair.reference_mesh))
        matched = _match(model, pair.source_mesh, pair.reference_mesh)
        posed = (matched.pose.apply(each) for each in (acted, anchored.agree(matched.shape, acted)))
        results = {"": generate(pair.reference, pair.source_code)}
        results |= {name: standardise(each)[0] for name, each in zip(("_anchored", "_used"), posed, strict=True)}
        for name, result in results.items():
            error = ace_px(place(result, placement), wanted)
            figures.setdefault(f"ace{pair.kind}{name}_px", []).extend(error.tolist())
            if pair.kind == "_cross":
                nearer = nearer_source(model, result, own, landmarks68_of(pair.reference_mesh))
                figures.setdefault(f"nearer_source{name}", []).extend(nearer.float().tolist())
        if pair.kind == "":
            figures.setdefault("ace_copy_px", []).extend(ace_px(own.expand_as(wanted), wanted).tolist())
    return {name: float(np.mean(values)) for name, values in figures.items()}


def nearer_source(
    model: MorphableModel,
    result: Float[Tensor, "n 68 3"],
    source: Float[Tensor, "1 68 3"],
    reference: Float[Tensor, "n 68 3"],
) -> Float[Tensor, "n"]:
    """1 where the result's shape is nearer to the source's than to the reference's; landmarks in any unit."""
    shape, own, other = (neutral_shape(model, each) for each in (result, source, reference))
    to_own, to_other = ((shape - each).norm(dim=-1).mean(1) for each in (own, other))
    return (to_own < to_other).float()


def neutral_shape(model: MorphableModel, landmarks: Float[Tensor, "n 68 3"]) -> Float[Tensor, "n 68 3"]:
    """Landmarks in head coordinates without pose and expression, by fitting the morphable model to them."""
    at, people = list(LANDMARKS_68), len(model.identity_basis)
    basis, mean = torch.cat([model.identity_basis, model.expression_basis])[:, at].flatten(1), model.mean[at]
    solver = torch.linalg.inv(basis @ basis.T + _NOISE**2 * torch.eye(len(basis))) @ basis
    shape = unposed = mean.expand_as(landmarks)
    coefficients = landmarks.new_zeros(len(landmarks), len(basis))
    for _ in range(3):
        unposed = align(landmarks, shape, model.rigid_weight[at]).invert(landmarks)
        coefficients = (unposed - mean).flatten(1) @ solver.T
        shape = mean + (coefficients @ basis).unflatten(1, mean.shape)
    return unposed - (coefficients[:, people:] @ basis[people:]).unflatten(1, mean.shape)


def matched_landmarks(
    model: MorphableModel, source: Float[Tensor, "1 478 3"], reference: Float[Tensor, "n 478 3"]
) -> Float[Tensor, "n 68 3"]:
    """Standardised landmarks of the source's mesh with the reference's expression and pose."""
    matched = _match(model, source, reference)
    return standardise(landmarks68_of(matched.pose.apply(matched.shape)))[0]


def _match(model: MorphableModel, source: Tensor, reference: Tensor) -> MatchedShape:
    motion = read_mesh_motion(model, reference)
    identity = split_identity(model, source.expand(len(reference), -1, -1))
    return match_shape(model, identity, motion, motion, relative=False)


def _mesh(data: FaceData, rows: "np.ndarray | list[int]") -> Float[Tensor, "n 478 3"]:
    return torch.from_numpy(np.array(data.mesh_px[rows], np.float32))


def _codes(data: FaceData, rows: list[int]) -> Float[Tensor, "n 256"]:
    return torch.from_numpy(np.array(data.embedding[rows], np.float32))
