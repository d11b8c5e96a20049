"""The source in layers: what stands behind the head, and the head itself. Made once per source, used by all systems."""

import dataclasses
import functools

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reenact.geometry.flow import draw_face
from reenact.geometry.morphable import MorphableModel
from reenact.ops.grow import grow
from reenact.ops.warp import resize
from reenact.portrait.ground import complete_ground
from reenact.portrait.head import FullHead, Unfolded, fit_head
from reenact.portrait.matte import drop_background, find_head_matte, tidy_classes
from reenact.portrait.sides import load_side_painter
from reenact.portrait.unseen import Unseen, paint_unseen
from reenact.types import FaceImage

_FACE = 1
"""Class of face pixels in a parsing."""
_PARSING_PX = 128
_PART = 0.2
"""Share of the head from which a pixel shows too much of it to be kept when the head leaves."""
_GREY = 0.03
"""Difference of red, green and blue up to which a picture is black and white: its compression leaves some."""
_TOUCHES = 0.5
"""Share of the head beyond the border of its picture from which it is cut off there."""
_BELOW = 0.06
"""Distance below the border at which its outline is looked at, share of the side."""
_HALO = 0.008
"""Width of the halo of a head, share of the side."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Portrait:
    """Layers of one source crop, at its own size."""

    rgb: Float[Tensor, "1 3 n n"]
    """The source crop, unchanged."""
    ground: Float[Tensor, "1 3 n n"]
    """The crop without its head; equal to `rgb` where `hole` is 0."""
    hole: Float[Tensor, "1 1 n n"]
    """1 where `ground` was completed."""
    body: Float[Tensor, "1 1 n n"]
    """Share of the body and neck in `ground`."""
    head: Float[Tensor, "1 4 n n"]
    """RGB of the head, free of the background and continued beyond its outline, and the share of the head in each
    pixel."""
    shape: FullHead
    """The head in depth: it tells where the head's pixels go."""
    unseen: Unseen | None = None
    """Colours for the surface that the crop hides; None leaves them to the systems."""
    body_stays: bool = False
    """Whether the body's motion ends in the neck; otherwise the body follows the head."""

    @property
    def unfolded(self) -> Unfolded | None:
        """Where the head's points lie in the picture of `unseen`."""
        return None if self.unseen is None else self.unseen.points

    @functools.cached_property
    def is_grey(self) -> bool:
        """Whether the source is black and white."""
        return float((self.rgb.amax(1) - self.rgb.amin(1)).max()) < _GREY

    @functools.cached_property
    def left(self) -> Float[Tensor, "1 1 n n"]:
        """1 where the source shows too much of the head to be kept when the head leaves, 0 where it shows nothing."""
        return (self.head[:, 3:] / _PART).clamp(max=1)

    @functools.cached_property
    def halo(self) -> Float[Tensor, "1 1 n n"]:
        """1 on the background beside the head, where a photo's sharpening or compression shows its outline."""
        reach = max(round(_HALO * self.rgb.shape[-1]), 1)
        return grow(self.left, reach) * (1 - grow(self.body, 2 * reach))

    def resized(self, side: int) -> "Portrait":
        """The same layers at another side."""
        names = [field.name for field in dataclasses.fields(self)]
        layers = {name: resize(layer, side) for name in names if isinstance(layer := getattr(self, name), Tensor)}
        return dataclasses.replace(self, **layers)


def portrait_of(model: MorphableModel, image: FaceImage, mesh: Float[Tensor, "1 478 3"]) -> Portrait:
    """The layers of a source crop: those that it comes with, or new ones.

    Args:
        model: of the mesh.
        image: the crop, f = 1.
        mesh: of the face, in half-sides.
    """
    given: Portrait | None = image.portrait
    return build_portrait(model, image.rgb, image.parsing, mesh) if given is None else given


def build_portrait(
    model: MorphableModel,
    rgb: Float[Tensor, "1 3 n n"],
    parsing: UInt8[Tensor, "1 j j"] | None,
    mesh: Float[Tensor, "1 478 3"],
) -> Portrait:
    """Take a source crop apart.

    Args:
        model: of the mesh.
        rgb: the crop.
        parsing: classes of `reenact.perception.parser.PARSER_CLASSES`. None: the head is what the mesh covers.
        mesh: of the face, in half-sides.
    """
    if parsing is None:
        parsing = ((draw_face(model, mesh, _PARSING_PX).parts.amax(1) > 0) * _FACE).to(torch.uint8)
    parsing = drop_background(tidy_classes(parsing, mesh), rgb)
    matte = find_head_matte(rgb, parsing, mesh)
    ground = complete_ground(rgb, matte, parsing, mesh)
    top = _cut_off_at(rgb, matte.share)
    head = _round_off(torch.cat([matte.rgb, matte.share], 1), top)
    shape = fit_head(model, mesh, head[:, 3:], top)
    return Portrait(
        rgb=rgb,
        ground=ground.rgb,
        hole=ground.hole,
        body=ground.body,
        head=head,
        shape=shape,
        unseen=paint_unseen(model, shape, head, parsing, load_side_painter(rgb.device)),
    )


def _cut_off_at(rgb: Float[Tensor, "1 3 n n"], share: Float[Tensor, "1 1 n n"]) -> float:
    """`FullHead.top`: where a crop that exceeds its picture repeats the upper border, and a head touches it."""
    same = (rgb[0, :, 1:] == rgb[0, :, :-1]).all(2).all(0)
    rows = int((~same).to(torch.uint8).argmax())
    return 2 * rows / rgb.shape[-1] - 1 if rows and float(share[:, :, :rows].max()) > _TOUCHES else -1.0


def _round_off(layer: Float[Tensor, "1 4 n n"], top: float) -> Float[Tensor, "1 4 n n"]:
    """A head that is cut off ends beyond the border round, as its outline below tells, in mirrored colours.

    The square of an ellipse's width changes evenly near its end.
    """
    side = layer.shape[-1]
    rows = round((top + 1) / 2 * side)
    if not rows:
        return layer
    place = (torch.arange(side, device=layer.device) + 0.5).to(layer.dtype)
    at = torch.tensor([rows, rows + round(_BELOW * side)], device=layer.device).clamp(max=side - 1)
    share = layer[0, 3, at]
    area = share.sum(1)
    middle, half = (share * place).sum(1) / area.clamp(min=1), area / 2
    above = (rows - place[:rows]) / (at[1] - at[0]).clamp(min=1)
    least = half[0] * (at[1] - at[0]) * max(2.0, float(half[0]) / max(rows - 1, 1))  # it ends within the crop
    steepness = (half[1].square() - half[0].square()).maximum(least)
    half_above = (half[0].square() - above * steepness).clamp(min=0).sqrt()[:, None]
    inside = (half_above - (place - middle[0] - above[:, None] * (middle[0] - middle[1])).abs() + 0.5).clamp(0, 1)
    inside[0] = 0  # or the border would be repeated
    mirrored = layer[:, :3].flip(2)[:, :, side - 2 * rows : side - rows] if 2 * rows <= side else layer[:, :3, :rows]
    cap = torch.cat([mirrored, (inside * (half_above > 0))[None, None]], 1)
    return torch.cat([cap, layer[:, :, rows:]], 2)
