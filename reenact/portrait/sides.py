"""The sides of a head that its source hides, painted: ear, temple, and the hair around them.

Both sides are laid out as in the head's unfolded picture, but seen from the front of the face, however the source is
turned: an ear is always at the same place. The left side is mirrored, so that one network sees only right ones. Made
once per source, so it does not flicker.
"""

import functools
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from reenact.geometry.rasterise import rasterise, vertex_facing
from reenact.ops.fill import fill_hole
from reenact.portrait.exemplar import blur
from reenact.portrait.head import FullHead, Unfolded
from reenact.portrait.head.outline import MIDDLE, smoothstep
from reenact.portrait.head.template import NECK
from reenact.portrait.head.unfolded import FARTHEST_RAD
from reenact.portrait.networks import Painter, PainterConfig
from reenact.weights import WEIGHTS_NAME, embedded_weights

SIDE = 256
"""Side of the layout in pixels."""
ROWS = slice(32, 224)
"""Of the layout, that are painted."""
_SHOWN = 0.02
"""Cosine of a surface and the viewer's direction from which the source tells something of it."""
_SOLID = 0.5
"""Share of the head from which it does."""
_BEHIND = (1.7, 2.1)
"""Angle from the front of the face over which painting ends: photos hardly show what lies farther back."""
_RIM = 0.03
"""Width of the rim over which painting begins beside what the source shows, share of the side."""
_DETAIL, _SAME, _LIGHT = 0.04, 0.08, 0.5
"""Size of details, share of the side; difference of colours up to which both show the same surface; and how much of
it is taken."""
_OWN = 0.8
"""Share of a tone that is the source's, not the painter's."""
_HAIRLINE = 0.18
"""Distance from skin, share of the side, over which painting ends in hair: strands that were made up look better."""
_MIDDLE_PX = 16
"""Distance from the middle of the head over which both sides meet."""


class SideInputs(NamedTuple):
    """What a painter of sides gets, of the left of the layout (the person's right), then of its mirrored right."""

    rgb: Float[Tensor, "2 3 192 128"]
    """What the source shows, and what was made up."""
    hole: Float[Tensor, "2 1 192 128"]
    """1 where it was made up."""
    maps: Float[Tensor, "2 7 192 128"]
    """Where there is hair; the same colours; what the source shows, though hardly: its rim, an ear from the front."""


@functools.cache
def load_side_painter(device: torch.device) -> Painter:
    """The embedded painter."""
    from safetensors.torch import load_file  # a small file read by name, as the head's template

    painter = Painter(PainterConfig(part="side"))
    tensors = load_file(embedded_weights("painters/side") / WEIGHTS_NAME, device=str(device))
    painter.load_state_dict({name: value.float() for name, value in tensors.items()})
    return painter.eval().requires_grad_(False)


def lay_out(
    head: FullHead,
    values: Float[Tensor, "n k"],
    places: Float[Tensor, "n 2"] | None = None,
    side: int = SIDE,
) -> tuple[Float[Tensor, "1 k s s"], Bool[Tensor, "1 1 s s"]]:
    """Values of the template's vertices in a layout, and where there is any.

    Args:
        head: of a source.
        values: of its vertices.
        places: of the vertices in the layout, -1 to 1; None: that of the sides.
        side: of the layout in pixels.
    """
    depth = -(head.shape - head.shape.new_tensor(MIDDLE)).norm(dim=1, keepdim=True)
    pixels = torch.cat([((_places(head) if places is None else places) + 1) * (side / 2), depth], 1)
    raster = rasterise(pixels[None], head.template.shell, side, side)
    return raster.interpolate(values[None], head.template.shell), raster.covered[:, None]


def side_inputs(
    head: FullHead,
    points: Unfolded,
    completed: Float[Tensor, "1 5 m m"],
    layer: Float[Tensor, "1 4 n n"],
) -> SideInputs:
    """Lay out both sides.

    Args:
        head: of a source.
        points: where its points lie in the unfolded picture.
        completed: unfolded picture: RGB, 1 where it was made up, and 1 where there is hair.
        layer: `Portrait.head`.
    """
    count = len(head.shape)
    facing = vertex_facing(head.posed(), head.template.triangles)[0].clamp(min=0)
    facing = facing * head.visible * (head.template.part != NECK)
    values, covered = lay_out(head, torch.cat([points.place[:count], head.posed()[0, :, :2], facing[:, None]], 1))
    made, own = read_at(completed, values[:, :2]), read_at(layer, values[:, 2:4])
    shown = ((values[:, 4:] > _SHOWN) & (own[:, 3:] > _SOLID) & covered).to(own.dtype)
    rgb, hole, hair = (made * covered).split([3, 1, 1], 1)
    hole = (hole > 0.5).to(hole.dtype)
    maps = torch.cat([hair, rgb * 2 - 1, (own[:, :3] * 2 - 1) * shown], 1)
    return SideInputs(*(both_sides(each) for each in (rgb, hole, maps)))


def paint_sides(
    painter: Painter,
    head: FullHead,
    points: Unfolded,
    completed: Float[Tensor, "1 5 m m"],
    layer: Float[Tensor, "1 4 n n"],
) -> Float[Tensor, "1 3 m m"]:
    """The unfolded picture with painted sides.

    Args:
        painter: of sides.
        head: as for `side_inputs`, like all others.
        points: where its points lie in the unfolded picture.
        completed: the unfolded picture.
        layer: `Portrait.head`.
    """
    inputs, count, side = side_inputs(head, points, completed, layer), len(head.shape), completed.shape[-1]
    painted = torch.cat([painter(*inputs), _share(painted_like=inputs.hole)], 1)
    whole = functional.pad(
        torch.cat([painted[:1], painted[1:].flip(-1)], 3), (0, 0, ROWS.start, SIDE - ROWS.stop), mode="constant"
    )
    places, covered = lay_out(head, _places(head), points.place[:count], side)
    found = read_at(whole, places)
    rgb, hole, hair = completed.split([3, 1, 1], 1)
    colours = _keep_plain_skin(_in_own_tones(found[:, :3], completed), rgb, hair)
    inside = (1 - 2 * blur(1 - hole, _RIM * side)).clamp(min=0)  # beside what is shown, that is continued
    near_skin = (4 * (1 - blur(hair, _HAIRLINE * side))).clamp(0, 1)
    return torch.lerp(rgb, colours, found[:, 3:] * inside * near_skin * hole * covered)


def _in_own_tones(painted: Float[Tensor, "1 3 m m"], completed: Float[Tensor, "1 5 m m"]) -> Float[Tensor, "1 3 m m"]:
    """What is painted, its tone between those of the skin and the hair that were made up nearby.

    So a black and white photo stays one, and an ear is not lighter than its cheek.
    """
    rgb, _, hair = completed.split([3, 1, 1], 1)
    tones = [fill_hole(rgb, other) if bool((other < 1).any()) else rgb for other in (hair, 1 - hair)]
    low, skin, strands = blur(torch.cat([painted, *tones], 1), _DETAIL * rgb.shape[-1]).split(3, 1)
    across = strands - skin
    share = ((low - skin) * across).sum(1, keepdim=True) / across.square().sum(1, keepdim=True).clamp(min=1e-4)
    own = skin + share.clamp(0, 1) * across
    return (painted + _OWN * (own - low)).clamp(0, 1)


def _keep_plain_skin(
    painted: Float[Tensor, "1 3 m m"], made: Float[Tensor, "1 3 m m"], hair: Float[Tensor, "1 1 m m"]
) -> Float[Tensor, "1 3 m m"]:
    """What is painted; where that is skin as well, what was made up, in the painted light: it is cleaner."""
    reach = _DETAIL * made.shape[-1]
    change = blur(painted, reach) - blur(made, reach)
    same = (2 - change.abs().amax(1, keepdim=True) / _SAME).clamp(0, 1) * blur(1 - hair, reach)
    return torch.lerp(painted, (made + _LIGHT * change).clamp(0, 1), same)


def both_sides(layout: Float[Tensor, "1 c s s"]) -> Float[Tensor, "2 c 192 128"]:
    """The left half of a layout, and its right half mirrored."""
    rows = layout[:, :, ROWS]
    return torch.cat([rows, rows.flip(-1)])[..., : SIDE // 2]


def read_at(picture: Float[Tensor, "1 c h w"], places: Float[Tensor, "1 2 s s"]) -> Float[Tensor, "1 c s s"]:
    """Values of a picture at places in half-sides."""
    return functional.grid_sample(picture, places.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def _places(head: FullHead) -> Float[Tensor, "n 2"]:
    """Where the vertices lie in the layout, -1 to 1: as in the unfolded picture, seen from the front of the face."""
    away = head.shape - head.shape.new_tensor(MIDDLE)
    angle = torch.atan2(away[:, :2].norm(dim=1), away[:, 2]) / FARTHEST_RAD
    return functional.normalize(away[:, :2] * away.new_tensor([1, -1]), dim=1) * angle[:, None]


def _share(painted_like: Float[Tensor, "2 1 192 128"]) -> Float[Tensor, "2 1 192 128"]:
    """1 where a side is painted, falling to 0 behind it and towards the middle of the head."""
    height, width = painted_like.shape[-2:]
    x = (torch.arange(width).to(painted_like) + 0.5 - SIDE / 2)[None]
    y = (torch.arange(height).to(painted_like) + 0.5 + ROWS.start - SIDE / 2)[:, None]
    angle = torch.sqrt(x * x + y * y) * (2 * FARTHEST_RAD / SIDE)
    behind = smoothstep((angle - _BEHIND[0]) / (_BEHIND[1] - _BEHIND[0]))
    return ((1 - behind) * smoothstep(-x / _MIDDLE_PX)).expand_as(painted_like)
