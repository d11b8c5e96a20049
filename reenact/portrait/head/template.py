"""The template of a full head: a small mesh with skull, ears and neck, and the ways in which people's heads differ.

Derived from ICT-FaceKit (MIT, see NOTICE.md) by ``python -m studies.head_template``, in the head coordinates of the
morphable model (`reenact.geometry.morphable`): x right, y up, z towards the viewer; unit: the eye distance.
"""

import dataclasses
import functools

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reenact.weights import WEIGHTS_NAME, embedded_weights

FACE, SKULL, EAR, NECK = range(4)
"""Values of `HeadTemplate.part`."""


_ROOT = (-1.03, 0.25)
"""Depth of an ear's root, and how much farther back it lies per height."""
_SHOULDERS = 0.05
"""What follows the head by less is shoulder."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadTemplate:
    """The head of the mean face."""

    vertices: Float[Tensor, "n 3"]
    modes: Float[Tensor, "k n 3"]
    """Movement of the vertices by one standard deviation of each mode of people."""
    rim: Float[Tensor, "36 3"]
    """The template's points under the mesh's `FACE_OVAL`."""
    rim_modes: Float[Tensor, "k 36 3"]
    """Their movement by the modes."""
    solver: Float[Tensor, "k m"]
    """Modes from the difference of a neutral mesh from the mean mesh (m = 478 x 3), regularised least squares."""
    triangles: Int[Tensor, "t 3"]
    """Clockwise on screen when they face the viewer, as `reenact.geometry.rasterise` draws them."""
    part: Int[Tensor, "n"]
    """FACE, SKULL (with forehead and jaw outside the mesh), EAR or NECK (with shoulders)."""
    follow: Float[Tensor, "n"]
    """Share of the head's motion: 1 on the head, falling along the neck to 0 at the shoulders."""
    on_face: Int[Tensor, "b"]
    """Vertices of FACE."""
    corners: Int[Tensor, "b 3"]
    """Mesh points of the triangle under each of them."""
    weights: Float[Tensor, "b 3"]
    """Their barycentric weights."""
    ear_light: Float[Tensor, "e e"]
    """Light that reaches the ear, seen from its side with the face on the left, over that of a plain cheek."""
    ear_box: Float[Tensor, "2 2"]
    """Middle and half-side of `ear_light`, each z and y."""

    @functools.cached_property
    def opposite(self) -> Int[Tensor, "n"]:
        """The vertex nearest to each one's place on the other side of the head."""
        return torch.cdist(self.vertices * self.vertices.new_tensor([-1, 1, 1]), self.vertices).argmin(1)

    @functools.cached_property
    def before_ear(self) -> Bool[Tensor, "n"]:
        """Vertices in front of an ear's root; those of EAR among them are flat skin."""
        return self.vertices[:, 2] + _ROOT[1] * self.vertices[:, 1] > _ROOT[0]

    @functools.cached_property
    def ear_places(self) -> Float[Tensor, "n 2"]:
        """Where the vertices lie in `ear_light`, -1 to 1; vertices of the face lie beyond it."""
        middle, half = self.ear_box
        return (self.vertices[:, [2, 1]] - middle) / -half

    @functools.cached_property
    def shell(self) -> Int[Tensor, "u 3"]:
        """Triangles without the neck's."""
        return self.triangles[(self.part[self.triangles] != NECK).all(1)]

    @functools.cached_property
    def column(self) -> Int[Tensor, "v 3"]:
        """Triangles of the neck without shoulders."""
        corners = self.part[self.triangles] == NECK
        return self.triangles[corners.any(1) & (self.follow[self.triangles] > _SHOULDERS).all(1)]


@functools.cache
def load_template(device: torch.device) -> HeadTemplate:
    """The embedded template."""
    from safetensors.torch import load_file  # a small file read by name, as the morphable model

    tensors = load_file(embedded_weights("head_template") / WEIGHTS_NAME, device=str(device))
    return HeadTemplate(
        **{name: value.float() if value.is_floating_point() else value.long() for name, value in tensors.items()}
    )
