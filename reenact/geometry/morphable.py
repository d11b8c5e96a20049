"""A linear morphable face model of the project's own: identity + expression on the 478-point mesh.

    mesh_px = scale * R (mean + B_id a + B_ex e) * (1, -1, -1) + t          (weak perspective)

Learned from labelled meshes by ``train morphable``: meshes are aligned rigidly; per-person neutral shapes give the
identity basis, what remains within a person gives the expression basis (both by PCA), and a regression on Action Units
gives the AU basis. Head axes: x right, y up, z towards the viewer; unit: the mean shape's outer eye-corner distance.
"""

import dataclasses
import pathlib

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.errors import ShapeError
from reenact.facs import ACTION_UNITS
from reenact.types import PerFrame
from reenact.weights import embedded_weights

_PIXEL_AXES = (1.0, -1.0, -1.0)
"""Head axes (y up, z to the viewer) against pixel axes (y down, z away)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pose(PerFrame):
    """Weak-perspective placement of f heads."""

    rotation: Float[Tensor, "f 3 3"]
    """camera_from_head, axes as `FaceGeometry.rotation`."""
    scale: Float[Tensor, "f"]
    """Pixels per unit of the model."""
    translation_px: Float[Tensor, "f 3"]
    """Where the model's origin lies, x right, y down, z away."""

    def apply(self, shape: Float[Tensor, "f n 3"]) -> Float[Tensor, "f n 3"]:
        """Head coordinates -> pixels."""
        axes = shape.new_tensor(_PIXEL_AXES)
        turned = shape @ self.rotation.transpose(1, 2) * axes
        return turned * self.scale[:, None, None] + self.translation_px[:, None]

    def invert(self, mesh_px: Float[Tensor, "f n 3"]) -> Float[Tensor, "f n 3"]:
        """Pixels -> head coordinates."""
        axes = mesh_px.new_tensor(_PIXEL_AXES)
        return ((mesh_px - self.translation_px[:, None]) / self.scale[:, None, None] * axes) @ self.rotation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """A mesh explained by the model."""

    pose: Pose
    identity: Float[Tensor, "f i"]
    """In standard deviations of the training people."""
    expression: Float[Tensor, "f e"]
    """In standard deviations of the training frames; 0 is neutral."""
    residual: Float[Tensor, "f 478 3"]
    """What the bases do not explain, head coordinates."""


class MorphableModel(nn.Module):
    """Mean, bases and triangles as buffers; `fit` and `assemble` are each other's inverse up to the residual."""

    mean: Tensor
    identity_basis: Tensor
    expression_basis: Tensor
    au_basis: Tensor
    rigid_weight: Tensor
    solver: Tensor
    triangles: Tensor
    triangle_part: Tensor

    def __init__(self, *, identities: int, expressions: int, triangles: int) -> None:
        """Empty model of the given sizes; weights are loaded into it."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(478, 3))
        self.register_buffer("identity_basis", torch.zeros(identities, 478, 3))
        self.register_buffer("expression_basis", torch.zeros(expressions, 478, 3))
        self.register_buffer("au_basis", torch.zeros(17, 478, 3))
        self.register_buffer("rigid_weight", torch.ones(478))
        self.register_buffer("solver", torch.zeros(identities + expressions, 478 * 3))
        self.register_buffer("triangles", torch.zeros(triangles, 3, dtype=torch.int64))
        self.register_buffer("triangle_part", torch.zeros(triangles, dtype=torch.int64))

    @property
    def colours(self) -> Float[Tensor, "478 3"]:
        """PNCC colours: the mean shape, each axis stretched to [0, 1]."""
        low, high = self.mean.amin(0), self.mean.amax(0)
        return (self.mean - low) / (high - low).clamp(min=1e-9)

    @property
    def lips_apart(self) -> Float[Tensor, "478 3"]:
        """The mean face with AU25 and AU26 at their greatest."""
        return self.mean + self.au_basis[[ACTION_UNITS.index(unit) for unit in (25, 26)]].sum(0)

    def identity_shape(self, identity: Float[Tensor, "f i"]) -> Float[Tensor, "f 478 3"]:
        """Neutral face of given coefficients, head coordinates."""
        return self.mean + self.identity_offset(identity)

    def identity_offset(self, identity: Float[Tensor, "f i"]) -> Float[Tensor, "f 478 3"]:
        """Displacement from the mean face, head coordinates."""
        return torch.einsum("fi,inc->fnc", identity, self.identity_basis)

    def expression_offset(self, expression: Float[Tensor, "f e"]) -> Float[Tensor, "f 478 3"]:
        """Displacement of every vertex by an expression, head coordinates."""
        return torch.einsum("fe,enc->fnc", expression, self.expression_basis)

    def action_unit_offset(self, action_units: Float[Tensor, "f 17"]) -> Float[Tensor, "f 478 3"]:
        """Displacement by Action Units of intensity 0 to 1, head coordinates."""
        return torch.einsum("fa,anc->fnc", action_units, self.au_basis)

    def fit(self, mesh_px: Float[Tensor, "f 478 3"], rounds: int = 3) -> Fit:
        """Pose by weighted Procrustes, coefficients by regularised least squares, in turns."""
        if mesh_px.shape[1:] != (478, 3):
            raise ShapeError(f"a mesh has 478 x 3 numbers, got {tuple(mesh_px.shape[1:])}")
        fit = self._fit_to(mesh_px, self.mean.expand_as(mesh_px))
        for _ in range(rounds - 1):
            shape = self.identity_shape(fit.identity) + self.expression_offset(fit.expression)
            fit = self._fit_to(mesh_px, shape)
        return fit

    def _fit_to(self, mesh_px: Tensor, shape: Tensor) -> Fit:
        """One round: pose against `shape`, then coefficients."""
        pose = align(mesh_px, shape, self.rigid_weight)
        unposed = pose.invert(mesh_px)
        coefficients = (unposed - self.mean).flatten(1) @ self.solver.T
        identity, expression = coefficients.split([len(self.identity_basis), len(self.expression_basis)], dim=1)
        explained = self.identity_shape(identity) + self.expression_offset(expression)
        return Fit(pose=pose, identity=identity, expression=expression, residual=unposed - explained)

    def assemble(
        self,
        identity: Float[Tensor, "f i"],
        expression: Float[Tensor, "f e"],
        pose: Pose,
        residual: Float[Tensor, "f 478 3"] | None = None,
    ) -> Float[Tensor, "f 478 3"]:
        """Mesh in pixels of the given coefficients."""
        shape = self.identity_shape(identity) + self.expression_offset(expression)
        return pose.apply(shape if residual is None else shape + residual)


def align(mesh_px: Float[Tensor, "f n 3"], shape: Float[Tensor, "#f n 3"], weight: Float[Tensor, "n"]) -> Pose:
    """Similarity that carries `shape` (head coordinates) onto `mesh_px`, least squares (Umeyama, 1991, eq. 40-43)."""
    axes = mesh_px.new_tensor(_PIXEL_AXES)
    target = mesh_px * axes
    share = (weight / weight.sum())[:, None]
    shape = shape.expand_as(target)
    target_centre, shape_centre = (target * share).sum(1), (shape * share).sum(1)
    target_rest, shape_rest = target - target_centre[:, None], shape - shape_centre[:, None]
    covariance = torch.einsum("fni,fnj->fij", target_rest * share, shape_rest)
    left, values, right = torch.linalg.svd(covariance)
    sign = torch.ones_like(values)
    sign[:, 2] = torch.sign(torch.linalg.det(left @ right))
    rotation = left * sign[:, None] @ right
    scale = (values * sign).sum(1) / (shape_rest.square() * share).sum((1, 2)).clamp(min=1e-12)
    translation = target_centre - scale[:, None] * torch.einsum("fij,fj->fi", rotation, shape_centre)
    return Pose(rotation=rotation, scale=scale, translation_px=translation * axes)


def load_morphable(folder: pathlib.Path | None = None) -> MorphableModel:
    """The embedded model, or that of `folder` (``model.safetensors`` written by ``train morphable``)."""
    from safetensors.torch import load_file  # a small file read by name: no need of reenact.hub, which stands above

    folder = folder or embedded_weights("geometry")
    weights = load_file(folder / "model.safetensors")
    model = MorphableModel(
        identities=len(weights["identity_basis"]),
        expressions=len(weights["expression_basis"]),
        triangles=len(weights["triangles"]),
    )
    model.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    )
    return model.requires_grad_(False).eval()
