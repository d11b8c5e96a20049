"""Mouths and eyes over what a system has drawn, at the drawing's own size: composed of the source's own, or painted."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.geometry.landmarks import INNER_LIP_RING, LEFT_EYE_RING, LEFT_IRIS, RIGHT_EYE_RING, RIGHT_IRIS
from reenact.portrait import parts
from reenact.portrait.eyes import EyeLayers, open_share, shown_share, take_apart, turned_share
from reenact.portrait.networks import Painter
from reenact.portrait.parts import OUTER_LIP_RING, Affine, Part, ramp
from reenact.portrait.teeth import draw_teeth

_CHANGE_PX = {"mouth": (1.0, 2.5), "eye": (0.7, 2.0)}
"""Largest movement of a contour's point in its crop up to which nothing is painted, and from which on all is."""

_GAP_PX = (1.5, 3.0)
"""The same for the opening between the lips: closed lips are not painted."""

_STRETCH = (0.25, 0.6)
"""The same for the logarithm of an open mouth's change of height: warped teeth are better than painted ones."""

_UNLIKE = (0.1, 0.25)
"""The same for the difference in brightness (over the skin's) from the driver's mouth: only one of them shows teeth."""

_WIDTH_PX = {"mouth": (10.0, 16.0), "eye": (12.0, 20.0)}
"""The same for a part's width in the picture: a part seen from the side is hidden or unknown to the painter."""

_FINER, _LARGE = (2, 4), 1.2
"""Pixels along each of a crop's at which the brightness of a mouth is known, and the frame's pixels along each of the
crop's from which on it is the second one and the mouth is drawn as fine."""
_TOLD = 0.7
"""Share of the brightness that is taken from teeth or driver, not from the painter, which paints lines anywhere."""
_DIM, _GAIN = 0.05, (0.3, 2.5)
"""Brightness below which a painted colour is not scaled further, and the least and largest factor."""
_TEETH, _WHITE, _TOOTH_COLOUR = (0.7, 0.95), 0.5, (1.04, 1.0, 0.92)
"""Brightness over that of teeth between which the painter's colours give way, by how much, and to which colour:
teeth beside red lips came out pink."""
_BRIGHT, _EVERY = 0.99, 16
"""Share of a picture's pixels, of which every so many are looked at, that are darker than what is bright in it."""
_SHOWS_PX = (2.5, 5.0)
"""Opening of the source's lips over which the brightness of what they show becomes that of its teeth."""
_GREY = (0.004, 0.02)
"""Mean difference of colours and their brightness up to which a picture is black and white, and from which on not."""
_STEEPER = 2.0
"""How much narrower the rim of a mouth is that is drawn finer."""

_CORNERS = {"mouth": (61, 291), "right": (33, 133), "left": (362, 263)}
_UPPER_LIP, _LOWER_LIP = 13, 14


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivingFaces:
    """The driving pictures: the painter takes from them where teeth and tongue show."""

    rgb: Float[Tensor, "f 3 h w"]
    mesh_px: Float[Tensor, "f 478 3"]

    @staticmethod
    def cat(parts: "Sequence[DrivingFaces]") -> "DrivingFaces":
        """Frames of several objects of one size, one after the other."""
        return DrivingFaces(
            rgb=torch.cat([each.rgb for each in parts]), mesh_px=torch.cat([each.mesh_px for each in parts])
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceFace:
    """The source crop, and its eyes in layers."""

    rgb: Float[Tensor, "1 3 s s"]
    mesh_px: Float[Tensor, "1 478 3"]

    @functools.cached_property
    def eyes(self) -> tuple[EyeLayers, EyeLayers]:
        """The right one, then the left; made once."""
        return take_apart(self.rgb, self.mesh_px, left=False), take_apart(self.rgb, self.mesh_px, left=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Painted:
    """Frames with their mouths and eyes painted."""

    rgb: Float[Tensor, "f 3 s s"]
    share: Float[Tensor, "f 1 s s"]
    """1 where the painters' colours stand, 0 where the frame is untouched."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Painters:
    """Both networks, ready for inference."""

    mouth: Painter
    eye: Painter
    hidden: Callable[[Tensor, Tensor], Tensor] | None = None
    """Which of mouth, right and left eye something hides in a source, (3,) bool, from its `rgb` and `mesh_px`: a mask
    or sunglasses stay what they are. None: nothing is."""

    def paint(
        self,
        rgb: Float[Tensor, "f 3 s s"],
        mesh_px: Float[Tensor, "f 478 3"],
        source: SourceFace,
        driver: DrivingFaces | None = None,
    ) -> Painted:
        """Draw opened mouths and moved eyes; parts whose contours do not change stay as they are, bit for bit.

        Args:
            rgb: what a system has drawn.
            mesh_px: where the face lies in it.
            source: the source crop, of the same size.
            driver: the driving pictures, where there are any.
        """
        mouth_hidden, *eye_hidden = [False] * 3 if self.hidden is None else self.hidden(source.rgb, source.mesh_px)
        mouths = None if mouth_hidden else _find_mouths(rgb, mesh_px, source, driver)
        sides = [left for left in (False, True) if not eye_hidden[left]]
        eyes = [_find_eyes(mesh_px, source, left=left) for left in sides]
        painted = Painted(rgb=rgb.clone(), share=torch.zeros_like(rgb[:, :1]))
        for painter, found in ((self.mouth, [mouths]), (self.eye, eyes)):
            crops = [each for each in found if each is not None]
            if crops:
                near = torch.cat([parts.sample(rgb[each.rows], each.onto, parts.SIZE) for each in crops])
                mask, maps = torch.cat([each.mask for each in crops]), torch.cat([each.maps for each in crops])
                drawn = painter(near, mask, maps).split([len(each.rows) for each in crops])
                for each, pictures in zip(crops, drawn, strict=True):
                    _blend(painted, *each.finish(pictures), each.rows)
        for left in sides:
            _compose_eyes(painted, source, mesh_px, left=left)
        return painted


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Crops:
    """The crops of one part that are painted, in some of the frames."""

    rows: Int[Tensor, "n"]
    onto: Affine
    mask: Float[Tensor, "n 1 i j"]
    maps: Float[Tensor, "n 7 i j"]
    share: Float[Tensor, "n"]
    colour: Float[Tensor, "n 1 1 1"]
    """0 for a picture in black and white, 1 for others."""
    light: Float[Tensor, "n 1 k l"] | None = None
    """Brightness over that of teeth, as a template or the driver tells it, at one of `_FINER` times the crop's side,"""
    white: Float[Tensor, "n 1 1 1"] | None = None
    """and that of teeth in this picture."""

    def finish(self, drawn: Float[Tensor, "n 3 i j"]) -> tuple[Float[Tensor, "n 4 k l"], Affine]:
        """Colours with their share, as fine as the frames can show them, and layer_from_frame."""
        mask, onto = self.mask, self.onto
        if self.light is not None and self.white is not None:
            light, finer = self.light, self.light.shape[-1] // mask.shape[-1]
            if finer > _FINER[0]:
                enlarged = (functional.interpolate(each, scale_factor=finer, mode="bicubic") for each in (drawn, mask))
                drawn, mask = enlarged
                mask, onto = ((mask - 0.5) * _STEEPER + 0.5).clamp(0, 1), onto * finer
            else:
                light = functional.avg_pool2d(light, finer)
            own = parts.luma(drawn)
            wanted = torch.lerp(own, light * self.white, _TOLD)
            drawn = drawn * ((wanted + _DIM) / (own + _DIM)).clamp(*_GAIN)
            white = parts.luma(drawn) * drawn.new_tensor(_TOOTH_COLOUR)[:, None, None]
            drawn = torch.lerp(drawn, white, _WHITE * ramp(light, _TEETH))
        drawn = torch.lerp(parts.luma(drawn), drawn, self.colour).clamp(0, 1)
        return torch.cat([drawn, mask * self.share[:, None, None, None]], 1), onto


def _find_mouths(rgb: Tensor, mesh_px: Tensor, source: SourceFace, driver: DrivingFaces | None) -> _Crops | None:
    source_mesh_px = source.mesh_px
    onto, own = parts.crop_part(mesh_px, "mouth"), parts.crop_part(source_mesh_px, "mouth")
    points = parts.place(onto, mesh_px)
    theirs = parts.place(own, source_mesh_px)
    share = _changed(points, theirs, "mouth", INNER_LIP_RING + OUTER_LIP_RING, "mouth") * ramp(_gap(points), _GAP_PX)
    stretched = ramp((_gap(points) / _gap(theirs).clamp(min=0.1)).log().abs(), _STRETCH)
    kept = ramp(_gap(theirs), _GAP_PX) * (1 - stretched)
    if driver is None:
        share = share * (1 - kept)
    rows = share.nonzero()[:, 0]
    if not len(rows):
        return None
    onto, points, count = onto[rows], points[rows], len(rows)
    source_mesh_px = source_mesh_px.expand(count, -1, -1)
    own = parts.align_noses(own.expand(count, -1, -1), source_mesh_px, onto, mesh_px[rows])
    shown = parts.sample(source.rgb.expand(count, -1, -1, -1), own, parts.SIZE)
    shown_points = parts.place(own, source_mesh_px)
    skin = parts.skin_light(shown).clamp(min=_DIM)
    over = _tooth_light(source, shown, shown_points) / skin
    large = float(torch.linalg.det(onto[:, :, :2]).min()) < 1 / _LARGE**2
    finer = _FINER[large]
    light, trust = skin.new_zeros(count, 1, *(finer * side for side in parts.SIZE)), skin.new_zeros(count)
    if driver is not None:
        faces = DrivingFaces(rgb=driver.rgb[rows], mesh_px=driver.mesh_px[rows])
        trust = _trust(parts.place(parts.crop_part(faces.mesh_px, "mouth"), faces.mesh_px), points)
        light = _driver_light(faces, points, over, finer)
    unsure = (trust < 1).nonzero()[:, 0]
    if len(unsure):
        teeth = draw_teeth(mesh_px[rows[unsure]], onto[unsure], over[unsure], finer)
        light[unsure] = torch.lerp(teeth, light[unsure], trust[unsure, None, None, None])
    mask, maps = parts.mouth_inputs(points, shown, shown_points, functional.avg_pool2d(light, finer))
    moved = parts.luma(parts.sample(rgb[rows], onto, parts.SIZE)) / skin
    unlike = ((moved - maps[:, 1:2]).abs() * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1)
    share = share[rows] * (1 - kept[rows] * (1 - trust * ramp(unlike, _UNLIKE)))
    return _Crops(
        rows=rows,
        onto=onto,
        mask=mask,
        maps=maps,
        share=share,
        light=light / over,
        white=over * skin,
        colour=_colour_share(shown),
    )


def _tooth_light(
    source: SourceFace, shown: Float[Tensor, "n 3 i j"], points: Float[Tensor, "n 478 2"]
) -> Float[Tensor, "n 1 1 1"]:
    """Brightness of teeth in the source: of those that it shows, else the usual one beside its skin.

    In a dark picture they are no brighter than what is bright in it.

    Args:
        source: the whole crop.
        shown: its mouth.
        points: its mesh in the mouth's pixels.
    """
    skin, brightest = parts.skin_light(shown), parts.luma(source.rgb).flatten()[::_EVERY].quantile(_BRIGHT)
    usual = torch.minimum(parts.tooth_light(skin) * skin, torch.maximum(brightest, skin))
    inside = parts.luma(shown) * parts.inner_mask(points)
    own = functional.avg_pool2d(inside, 3, 1, 1).amax((2, 3), keepdim=True)
    open_ = ramp(_gap(points), _SHOWS_PX)[:, None, None, None]
    return torch.lerp(usual, torch.maximum(usual, own), open_)


def _colour_share(shown: Float[Tensor, "n 3 i j"]) -> Float[Tensor, "n 1 1 1"]:
    return ramp((shown - parts.luma(shown)).abs().mean((1, 2, 3), keepdim=True), _GREY)


def _driver_light(
    driver: DrivingFaces, points: Float[Tensor, "n 478 2"], white: Float[Tensor, "n 1 1 1"], finer: int
) -> Float[Tensor, "n 1 k l"]:
    """`parts.driver_mouth`, its teeth as bright as the source's (`white`, over its skin), and no brighter."""
    light = parts.driver_mouth(driver.rgb, driver.mesh_px, points, finer=finer)
    theirs = parts.skin_light(parts.sample(driver.rgb, parts.crop_part(driver.mesh_px, "mouth"), parts.SIZE))
    light = light * (white / parts.tooth_light(theirs))
    brightest = (functional.avg_pool2d(light, finer) * parts.inner_mask(points)).amax((2, 3), keepdim=True)
    return light * (white / brightest.clamp(min=_DIM)).clamp(max=1)


def _find_eyes(mesh_px: Tensor, source: SourceFace, *, left: bool) -> _Crops | None:
    """Eyes that the source hardly shows: what an opened or turned one looks like is not known."""
    onto, points, theirs = _place_eyes(mesh_px, source, left=left)
    share = _eye_changed(points, theirs, left=left) * (1 - _known(points, theirs, left=left))
    rows = share.nonzero()[:, 0]
    if not len(rows):
        return None
    own = parts.crop_part(source.mesh_px, "eye", left=left)
    shown, seen = parts.sample(source.rgb, own, parts.SIZE), parts.eye_maps(theirs, left=left)
    shown, seen = (each.expand(len(rows), -1, -1, -1) for each in (shown, seen))
    mask, maps = parts.eye_inputs(points[rows], shown, seen, left=left)
    return _Crops(rows=rows, onto=onto[rows], mask=mask, maps=maps, share=share[rows], colour=_colour_share(shown))


def _compose_eyes(painted: Painted, source: SourceFace, mesh_px: Tensor, *, left: bool) -> None:
    """Lay eyes of the source's own pixels over the frames in which they move, in place.

    Painted lids get the fine detail of the source's, stretched: the painter has few pixels for skin and lashes.
    """
    onto, points, theirs = _place_eyes(mesh_px, source, left=left)
    turned = turned_share(points, theirs, left=left) * ramp(_width(points, _side(left)), _WIDTH_PX["eye"])
    known, changed = _known(points, theirs, left=left), _eye_changed(points, theirs, left=left)
    share = torch.maximum(changed, turned) * known
    closing = changed * (_shown(theirs, left=left) - known)
    rows = (share + closing).nonzero()[:, 0]
    if len(rows):
        eye = source.eyes[left]
        layer, onto = eye.compose(points[rows]), onto[rows] * eye.zoom
        mask = layer[:, 3:]
        detail = layer[:, :3] - _mean_around(layer[:, :3], eye.zoom)
        _blend(painted, torch.cat([detail, mask * closing[rows, None, None, None]], 1), onto, rows, add=True)
        _blend(painted, torch.cat([layer[:, :3], mask * share[rows, None, None, None]], 1), onto, rows)


def _mean_around(layer: Float[Tensor, "n 3 i j"], zoom: int) -> Float[Tensor, "n 3 i j"]:
    """Means over about three crop pixels, twice."""
    reach = max(1, round(0.75 * zoom))
    for _ in range(2):
        layer = functional.avg_pool2d(layer, 2 * reach + 1, 1, reach, count_include_pad=False)
    return layer


def _place_eyes(mesh_px: Tensor, source: SourceFace, *, left: bool) -> tuple[Affine, Tensor, Tensor]:
    """Crops of the frames' eyes, their points in them, and the source's in its own."""
    onto, own = (parts.crop_part(mesh, "eye", left=left) for mesh in (mesh_px, source.mesh_px))
    return onto, parts.place(onto, mesh_px), parts.place(own, source.mesh_px)


def _known(points: Tensor, theirs: Tensor, *, left: bool) -> Float[Tensor, "f"]:
    """1 for an eye that is composed: the source shows it well, and it does not close."""
    return _shown(theirs, left=left) * open_share(points, theirs, left=left)


def _shown(theirs: Tensor, *, left: bool) -> Float[Tensor, "1"]:
    """1 for an eye that the source shows open, and from the front."""
    return shown_share(theirs, left=left) * ramp(_width(theirs, _side(left)), _WIDTH_PX["eye"])


def _eye_changed(points: Tensor, theirs: Tensor, *, left: bool) -> Float[Tensor, "f"]:
    ring = LEFT_EYE_RING + LEFT_IRIS[:1] if left else RIGHT_EYE_RING + RIGHT_IRIS[:1]
    return _changed(points, theirs, "eye", ring, _side(left))


def _side(left: bool) -> str:
    return "left" if left else "right"


def _changed(points: Tensor, theirs: Tensor, part: Part, ring: tuple[int, ...], corners: str) -> Float[Tensor, "f"]:
    """Share of the painting, from how far the contour moves and how wide the part is seen."""
    moved = (points - theirs)[:, list(ring)].norm(dim=-1).amax(1)
    return ramp(moved, _CHANGE_PX[part]) * ramp(_width(points, corners), _WIDTH_PX[part])


def _width(points: Tensor, corners: str) -> Float[Tensor, "f"]:
    first, second = _CORNERS[corners]
    return (points[:, first] - points[:, second]).norm(dim=-1)


def _trust(driver: Tensor, target: Tensor) -> Float[Tensor, "f"]:
    """0 where the driver's lips are closed, or much less open than the target's: they show no teeth to go by."""
    return ramp(_gap(driver), _GAP_PX) * ramp(_gap(driver) / _gap(target).clamp(min=1), (0.3, 0.5))


def _gap(points: Tensor) -> Float[Tensor, "f"]:
    return (points[:, _UPPER_LIP] - points[:, _LOWER_LIP]).norm(dim=-1)


def _blend(
    painted: Painted, layer: Float[Tensor, "n 4 i j"], onto: Affine, rows: Int[Tensor, "n"], *, add: bool = False
) -> None:
    """Lay crops, RGB and share, over their frames, or add them, in place."""
    top, bottom, left, right = _box(onto, (layer.shape[-2], layer.shape[-1]), painted.rgb.shape[-1])
    back = parts.invert(onto)
    back = torch.cat([back[:, :, :2], back[:, :, 2:] - back.new_tensor([[left], [top]])], 2)
    rgb, share = parts.sample(layer, back, (bottom - top, right - left), "zeros").split([3, 1], 1)
    region = (rows, slice(None), slice(top, bottom), slice(left, right))
    frame = painted.rgb[region]
    painted.rgb[region] = (frame + share * rgb).clamp(0, 1) if add else torch.lerp(frame, rgb, share)
    painted.share[region] = torch.maximum(painted.share[region], share)


def _box(onto: Affine, size: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    """Rows and columns of the picture around all crops of a height and width."""
    height, width = size
    corners = onto.new_tensor([[0, 0], [width, 0], [0, height], [width, height]]).expand(len(onto), -1, -1)
    frame = parts.place(parts.invert(onto), corners)
    low, high = frame.amin((0, 1)).floor().int().tolist(), frame.amax((0, 1)).ceil().int().tolist()
    (x0, y0), (x1, y1) = ([min(max(value, 0), side - 1) for value in corner] for corner in (low, high))
    return y0, y1 + 1, x0, x1 + 1
