"""Where teeth show in an opened mouth that no picture tells about: a small template of them, placed in the head.

Derived from ICT-FaceKit (MIT, see NOTICE.md) by ``python -m studies.teeth``. The mouth painter takes the drawing as it
takes a driver's mouth: for where teeth are, not for what they look like.
"""

import dataclasses
import functools

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.geometry.landmarks import CHIN, INNER_LIP_RING
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.rasterise import SUBPIXELS, rasterise
from reenact.portrait import parts
from reenact.portrait.parts import Affine
from reenact.weights import WEIGHTS_NAME, embedded_weights

_UPPER_LIP = (2, 164, 0)
"""Mesh points between nose and upper lip: upper teeth lie behind them."""
_CORNERS = (61, 291)
"""Of the mouth."""
_LOWER = 0.03
"""How much lower teeth lie than in the template."""
_APART = 0.2
"""Opening at which the jaws are apart when the chin has not moved: lips hide most of the lower teeth."""
_WIDEST = 1.2
"""Largest opening of the jaw, in that of the template."""
_GAP_PX, _CLOSED = 0.9, 0.75
"""Half the largest gap between teeth that is closed, in the crop's pixels, and by how much."""
_RIM_PX = 4
"""Width around the lips that is drawn: nothing that is painted depends on what lies beyond, and so on other frames."""
_DARK = 0.12
"""Brightness of the throat over that of the skin."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TeethTemplate:
    """Teeth and gums of the mean face, head coordinates (eye distances)."""

    vertices: Float[Tensor, "n 3"]
    jaw: Float[Tensor, "n 3"]
    """Their movement when the jaw opens as far as ICT-FaceKit's does."""
    light: Float[Tensor, "n"]
    """1 on the front teeth, less on gums, on sides and further back."""
    triangles: Int[Tensor, "t 3"]
    """Clockwise on screen when they face the viewer."""
    chin_drop: Float[Tensor, "1"]
    """Movement of the chin along y, with `jaw`."""


@functools.cache
def load_teeth(device: torch.device) -> TeethTemplate:
    """The embedded template."""
    from safetensors.torch import load_file  # a small file read by name, as the morphable model

    tensors = load_file(embedded_weights("teeth") / WEIGHTS_NAME, device=str(device))
    return TeethTemplate(
        **{name: value.float() if value.is_floating_point() else value.long() for name, value in tensors.items()}
    )


@functools.cache
def _morphable(device: torch.device) -> MorphableModel:
    return load_morphable().to(device)


def draw_teeth(
    mesh_px: Float[Tensor, "f 478 3"], onto: Affine, white: Float[Tensor, "f 1 1 1"], finer: int
) -> Float[Tensor, "f 1 i j"]:
    """Teeth, gums and throat in mouth crops; 1 is the brightness of the skin.

    They are drawn in the rows and columns of the opened lips, as if nothing covered them. All else is throat.

    Args:
        mesh_px: meshes in the frames' pixels.
        onto: their mouth crops (`parts.crop_part`).
        white: brightness of teeth over the skin's (`parts.tooth_light`).
        finer: pixels along each of the crop's.
    """
    teeth, model = load_teeth(mesh_px.device), _morphable(mesh_px.device)
    fit = model.fit(mesh_px)
    neutral = model.identity_shape(fit.identity)
    mean, (right, left), lip = model.mean, _CORNERS, list(_UPPER_LIP)
    zoom = (neutral[:, right] - neutral[:, left]).norm(dim=1) / (mean[right] - mean[left]).norm()
    drop = fit.pose.invert(mesh_px)[:, CHIN, 1] - neutral[:, CHIN, 1]
    opened = (drop / teeth.chin_drop).clamp(0, _WIDEST) + _APART
    behind = mean[lip].mean(0) + mean.new_tensor([0, _LOWER, 0])
    own = teeth.vertices + opened[:, None, None] * teeth.jaw - behind
    placed = fit.pose.apply(own * zoom[:, None, None] + neutral[:, lip].mean(1, keepdim=True))

    ring = parts.place(onto * finer, mesh_px[:, list(INNER_LIP_RING)])
    size = [side * finer for side in parts.SIZE]
    (x0, y0), (x1, y1) = ring.amin((0, 1)).floor().int().tolist(), ring.amax((0, 1)).ceil().int().tolist()
    rim = _RIM_PX * finer
    x0, y0 = max(x0 - rim, 0), max(y0 - rim, 0)
    x1, y1 = max(min(x1 + rim, size[1]), x0 + 1), max(min(y1 + rim, size[0]), y0 + 1)
    pixels = (parts.place(onto * finer, placed) * SUBPIXELS).round() / SUBPIXELS - placed.new_tensor([x0, y0])
    raster = rasterise(torch.cat([pixels, placed[..., 2:]], 2), teeth.triangles, y1 - y0, x1 - x0)
    light = raster.interpolate(teeth.light[None, :, None].expand(len(pixels), -1, -1), teeth.triangles)
    light = _close_gaps((light * white).clamp(min=_DARK), finer)
    return functional.pad(light, (x0, size[1] - x1, y0, size[0] - y1), value=_DARK)


def _close_gaps(grey: Float[Tensor, "f 1 i j"], finer: int) -> Float[Tensor, "f 1 i j"]:
    """Neighbouring teeth touch: morphological closing along rows, by a share."""
    reach = round(_GAP_PX * finer)
    wide = functional.max_pool2d(grey, (1, 2 * reach + 1), 1, (0, reach))
    closed = -functional.max_pool2d(-wide, (1, 2 * reach + 1), 1, (0, reach))
    return torch.lerp(grey, closed, _CLOSED)
