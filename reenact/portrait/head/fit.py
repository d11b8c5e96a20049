"""The template fitted to one source: modes of people from its mesh, skull pushed outwards to its hair."""

import dataclasses
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from reenact.geometry.flow import source_visibility, to_pixels
from reenact.geometry.landmarks import FACE_OVAL
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.geometry.rasterise import rasterise, vertex_facing, vertex_visibility
from reenact.portrait.head.outline import (
    DIRECTIONS,
    MIDDLE,
    View,
    outline_of,
    read_outline,
    smooth,
    smoothstep,
)
from reenact.portrait.head.template import EAR, NECK, SKULL, HeadTemplate, load_template

_UNDER = 0.02
"""Distance, eye distances, of the template under the mesh, which hides it in the face."""
_JOIN = 0.8
"""Distance from the face's rim over which the template is bent to join it."""
_CARRY = 0.35
"""Distance from the face's rim at which its non-rigid motion has faded to 1/e: a dropping jaw moves the throat, not
the hair."""
_HAIR_STARTS = 0.45
"""Distance from face, ears and neck over which the skull begins to be pushed out to the hair."""
_PUSH = (0.88, 1.7)
"""Least and greatest size of the hair over the skull's."""
_PUSHED = (1.0, 1.0, 0.4)
"""How much of that it takes across, upwards and in depth: hair falls to the sides rather than backwards."""
_FOREHEAD = (0.1, -1.0)
"""Depths over which a head begins to be smaller than the skull: a near camera sees its crown smaller than its face."""
_OVER_EARS = 1.03
"""Hair covers the ears where the matte ends farther out than they do by this factor."""
_FLATTEST = 0.2
"""Least size of what skull and ears stand out beside the face, over the template's."""
_LOW = (0.35, 0.75)
"""Sine of the angle below the horizontal over which the matte's outline is no longer a skull's."""
_BELOW = (0.0, 0.3)
"""The same for hair that hangs beside the face."""
_HANGS = 0.3
"""Distance that it reaches beyond the head."""
_FARTHEST, _STEPS, _ROUNDS, _SMOOTHINGS = 2.8, 112, 3, 4
_GAP = 12
"""Steps (of `_FARTHEST` / `_STEPS`) without head up to which a gap between locks belongs to the head."""
_SIDE, _FOLLOWED_SIDE = 256, 128
"""Pixels of the picture in which depths are compared: in a photo or the first frame of a shot, and in other frames."""
_SAME_VIEW = 0.1
"""Largest change of a rotation's elements (about 6 degrees) over which visibility is not looked at again."""
_GRAZING, _SLACK = 0.1, 0.1
"""As in `reenact.geometry.flow`: cosine of a surface turned away, and depth by which touching surfaces differ."""
_THROAT = (0.6, -0.85, -0.5)
"""Width of the throat over the neck's, and its top (y) and depth (z) in head coordinates."""
_RIM = 0.05
"""Width of the outline, eye distances, whose colours mix with the background's."""
_REFLECTED = 0.6
"""Hidden surface takes its colours from a band inside the outline: its width over that of hair and ear there."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FullHead:
    """The head of one source. Places are in half-sides of its picture, shapes in head coordinates."""

    template: HeadTemplate
    mesh: Float[Tensor, "1 478 3"]
    """The source's mesh."""
    mesh_visible: Float[Tensor, "1 478"]
    """1 where the source shows the mesh point."""
    pose: Pose
    shape: Float[Tensor, "n 3"]
    """The template's vertices in the source's expression, with hair."""
    place: Float[Tensor, "n 2"]
    """Where in the source the colour of each vertex is: its own place; of hidden ones, a place inside the outline."""
    inner_place: Float[Tensor, "n 2"]
    """The same, kept away from the outline, where the matte is half transparent: for a head that has turned."""
    throat_place: Float[Tensor, "n 2"]
    """Where in the source the neck's sides and nape have their colours: at its front."""
    visible: Float[Tensor, "n"]
    """1 where the source shows the vertex."""
    seen: Bool[Tensor, "n"]
    """Whether the source shows any triangle at the vertex."""
    seen_from: Float[Tensor, "1 3 3"]
    """Rotation of the head for which visibility was found: its own, or in a clip that of an earlier frame."""
    reach: Float[Tensor, "n 36"]
    """Influence of the points of `FACE_OVAL` on each vertex outside the face."""
    outline: Float[Tensor, "1 d"]
    """Of head and hair (`outline.py`)."""
    edge: Float[Tensor, "1 d"]
    """Where the matte ends, if that is farther out: loose hair beside the head."""
    hangs: Float[Tensor, "1 d"]
    """1 in directions below the middle in which hair hangs beside the face, 0 in others."""
    top: float = -1.0
    """Upper border of what the source shows, in half-sides: a head may be cut off there."""

    def posed(self) -> Float[Tensor, "1 n 3"]:
        """The vertices in the source."""
        return self.pose.apply(self.shape[None])

    def moved_shape(self, face: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f n 3"]:
        """`shape` with other faces, head coordinates: vertices on the face follow it, others its oval."""
        template = self.template
        change = face - self.pose.invert(self.mesh)
        moved = self.shape + self.reach @ change[:, list(FACE_OVAL)]
        on_face = (change[:, template.corners] * template.weights[..., None]).sum(2)
        moved[:, template.on_face] = self.shape[template.on_face] + on_face
        return moved


def fit_head(
    model: MorphableModel, mesh: Float[Tensor, "1 478 3"], share: Float[Tensor, "1 1 n n"], top: float = -1.0
) -> FullHead:
    """Fit the template to a source.

    Args:
        model: the morphable model.
        mesh: in half-sides of the source's picture (-1 to 1; z in the same unit, smaller is nearer).
        share: soft matte of the head in that picture: face, ears and hair.
        top: `FullHead.top`.
    """
    template = load_template(mesh.device)
    fit = model.fit(mesh)
    own = fit.pose.invert(mesh)
    people = template.solver @ (model.identity_shape(fit.identity) - model.mean).flatten()
    shape = template.vertices + torch.einsum("k,knc->nc", people, template.modes)
    rim = template.rim + torch.einsum("k,knc->nc", people, template.rim_modes)
    shape = shape + _reach(template, _JOIN) @ (own[0, list(FACE_OVAL)] - rim)
    shape[template.on_face] = (own[0, template.corners] * template.weights[..., None]).sum(1)
    inwards = functional.normalize(shape.new_tensor(MIDDLE) - shape[template.on_face], dim=1)
    shape[template.on_face] += _UNDER * inwards
    matte = _matte_outline(View.of(fit.pose), share, top)
    shape = _push_to_hair(template, fit.pose, shape, matte)
    shape = _pull_in(template, fit.pose, mesh, shape, matte)
    look = _look_at(model, template, fit.pose, mesh, shape, _SIDE)
    if top > -1:
        below, mesh_below = fit.pose.apply(shape[None])[0, :, 1] > top, mesh[..., 1] > top
        look = look._replace(
            mesh_visible=look.mesh_visible * mesh_below, visible=look.visible * below, seen=look.seen & below
        )
    head = _placed(template, fit.pose, mesh, shape, matte, _reach(template, _CARRY), look)
    return dataclasses.replace(head, top=top)


def follow_head(
    model: MorphableModel, before: FullHead, mesh: Float[Tensor, "1 478 3"], share: Float[Tensor, "1 1 n n"]
) -> FullHead:
    """The head of a later frame of the same shot: it keeps its skull and hair.

    Args:
        model: that of `fit_head`.
        before: the head in an earlier frame.
        mesh: in half-sides of this frame's picture.
        share: soft matte of the head in that picture.
    """
    pose = model.fit(mesh).pose
    shape = before.moved_shape(pose.invert(mesh))[0]
    matte = _matte_outline(View.of(pose), share)
    look = _Look(before.mesh_visible, before.visible, before.seen, before.seen_from)
    if float((pose.rotation - before.seen_from).abs().amax()) > _SAME_VIEW:
        look = _look_at(model, before.template, pose, mesh, shape, _FOLLOWED_SIDE)
    return _placed(before.template, pose, mesh, shape, matte, before.reach, look)


class _Look(NamedTuple):
    """Fields of `FullHead`: what a picture shows."""

    mesh_visible: Tensor
    visible: Tensor
    seen: Tensor
    seen_from: Tensor


def _look_at(
    model: MorphableModel, template: HeadTemplate, pose: Pose, mesh: Tensor, shape: Tensor, side: int
) -> _Look:
    visible, seen = _visible(template, pose.apply(shape[None]), side)
    return _Look(source_visibility(model, mesh, side), visible, seen, pose.rotation)


def _placed(
    template: HeadTemplate, pose: Pose, mesh: Tensor, shape: Tensor, matte: Tensor, reach: Tensor, look: _Look
) -> FullHead:
    """A head of this pose and shape, and where its picture shows it."""
    posed, view = pose.apply(shape[None]), View.of(pose)
    outline = outline_of(view, torch.cat([posed[:, template.part != NECK], mesh], 1)[..., :2].mT)
    end = torch.where(matte > 0, torch.minimum(matte, outline), outline)
    place, inner_place = _colour_places(template, view, end, posed, mesh, look.seen)
    return FullHead(
        template=template,
        mesh=mesh,
        pose=pose,
        shape=shape,
        place=place,
        inner_place=inner_place,
        throat_place=pose.apply(_throat(shape)[None])[0, :, :2],
        reach=reach,
        outline=outline,
        hangs=smooth(smoothstep((matte - outline) / _HANGS) * _lowness(shape, _BELOW)),
        edge=torch.lerp(torch.maximum(outline, matte), outline, _lowness(shape)),
        **look._asdict(),
    )


def _throat(shape: Float[Tensor, "h 3"]) -> Float[Tensor, "h 3"]:
    """Places at the front of the neck for all of it: nape and sides take after it."""
    x, y, _ = shape.unbind(1)
    return torch.stack([x * _THROAT[0], y.clamp(max=_THROAT[1]), torch.full_like(x, _THROAT[2])], 1)


def _reach(template: HeadTemplate, fade: float) -> Float[Tensor, "n 36"]:
    squared = torch.cdist(template.vertices, template.rim).square()
    pull = 1 / (squared + 1e-3) ** 1.5
    return pull / pull.sum(1, keepdim=True) * torch.exp(-squared.amin(1, keepdim=True) / fade**2)


def _push_to_hair(template: HeadTemplate, pose: Pose, shape: Tensor, wanted: Tensor) -> Float[Tensor, "n 3"]:
    """The skull scaled about its middle, in each direction of the picture by the size of the hair there."""
    view, middle = View.of(pose), shape.new_tensor(MIDDLE)
    on_skull = (template.part == SKULL) | _under_hair(template, view, pose.apply(shape[None]), wanted)
    low = _lowness(shape)
    known = (wanted > 0) * (1 - low)
    other = torch.cdist(shape, shape[~on_skull]).amin(1)
    hairy = smoothstep(other / _HAIR_STARTS) * on_skull
    first, size = shape, torch.ones_like(wanted)
    behind = smoothstep((shape[:, 2] - _FOREHEAD[0]) / (_FOREHEAD[1] - _FOREHEAD[0]))
    for _ in range(_ROUNDS):
        posed = pose.apply(shape[None])[..., :2].mT
        bare, eared = (outline_of(view, posed[:, :, kept]) for kept in (on_skull, template.part != NECK))
        change = wanted / bare.clamp(min=1e-6)
        change = torch.where(wanted > _OVER_EARS * eared, change, change.clamp(max=1))  # ears are no hair
        size = torch.where(wanted > 0, (size * change).clamp(*_PUSH), size)
        mean = ((size * known).sum() + 1e-3) / (known.sum() + 1e-3)
        even = torch.where(wanted > 0, size, mean)
        for _ in range(_SMOOTHINGS):
            even = smooth(even)
        even = even * (1 - low) + low
        direction, distance = view.to_polar(pose.apply(first[None])[..., :2].mT)
        # only the outline shows how far the hair reaches; elsewhere it is even
        near = smoothstep((distance / read_outline(bare, direction).clamp(min=1e-6) - 0.3) / 0.6)
        growth = near * read_outline(even, direction) + (1 - near) * mean
        growth = growth[0] - 1
        growth = (hairy * torch.where(growth < 0, behind * growth, growth))[:, None]
        shape = middle + (first - middle) * (1 + growth * growth.new_tensor(_PUSHED))
    return shape


def _under_hair(
    template: HeadTemplate, view: View, posed: Float[Tensor, "1 n 3"], wanted: Float[Tensor, "1 d"]
) -> Bool[Tensor, "n"]:
    """Vertices of ears that hair covers: the matte ends farther out than they do."""
    ear, right = template.part == EAR, template.vertices[:, 0] > 0
    outline = outline_of(view, posed[:, template.part != NECK, :2].mT)
    direction, _ = view.to_polar(posed[..., :2].mT)
    wider = (read_outline(wanted, direction) / read_outline(outline, direction).clamp(min=1e-6))[0]
    covered = [wider[ear & side].mean() > _OVER_EARS for side in (right, ~right)]
    return ear & torch.where(right, *covered)


def _pull_in(template: HeadTemplate, pose: Pose, mesh: Tensor, shape: Tensor, wanted: Tensor) -> Float[Tensor, "n 3"]:
    """Skull beside the face, then ears, laid against the head where the template is wider than the matte."""
    view, posed, low = View.of(pose), pose.apply(shape[None]), _lowness(shape)
    inner = mesh[..., :2].mT
    for part in (SKULL, EAR):
        chosen = template.part == part
        place = posed[:, chosen, :2].mT
        start = outline_of(view, inner)
        inner = torch.cat([inner, place], 2)
        end = outline_of(view, inner)
        share = ((wanted - start) / (end - start).clamp(min=1e-6)).clamp(_FLATTEST, 1)
        share = torch.lerp(torch.where((wanted > 0) & (end > start + _RIM), share, 1.0), torch.ones_like(low), low)
        direction, distance = view.to_polar(place)
        base = torch.minimum(read_outline(start, direction), distance)
        posed[:, chosen, :2] = view.to_picture(direction, base + (distance - base) * read_outline(share, direction)).mT
        inner = torch.cat([mesh[..., :2].mT, posed[:, chosen, :2].mT], 2)
    return pose.invert(posed)[0]


def _lowness(like: Tensor, low: tuple[float, float] = _LOW) -> Float[Tensor, "1 d"]:
    """1 for directions towards the neck, where hair hangs and is not the skull's."""
    angle = torch.arange(DIRECTIONS, device=like.device, dtype=like.dtype) * (2 * torch.pi / DIRECTIONS)
    return smoothstep((torch.sin(angle) - low[0]) / (low[1] - low[0]))[None]


def _matte_outline(view: View, share: Float[Tensor, "1 1 n n"], top: float = -1.0) -> Float[Tensor, "1 d"]:
    """Distance at which the matte ends, seen from the middle; 0 where it leaves the picture."""
    direction = torch.arange(DIRECTIONS, device=share.device, dtype=share.dtype)
    distance = (torch.arange(_STEPS, device=share.device, dtype=share.dtype) + 0.5) * (_FARTHEST / _STEPS)
    rays = [direction.repeat_interleave(_STEPS)[None], distance.repeat(DIRECTIONS)[None]]
    place = view.to_picture(rays[0], rays[1]).mT.unflatten(1, (DIRECTIONS, _STEPS))
    inside = ((place.abs() < 1).all(-1) & (place[..., 1] > top))[0]
    value = functional.grid_sample(share, place, align_corners=False)[0, 0]
    ahead = functional.max_pool1d(functional.pad(value, (0, _GAP - 1)), _GAP, stride=1)
    started = torch.cumsum((value > 0.5).long(), 1) > 0
    over = started & (ahead < 0.5)
    first = torch.where(over.any(1), over.long().argmax(1), _STEPS - 1)
    known = started.any(1) & torch.gather(inside, 1, first[:, None])[:, 0]
    return torch.where(known, distance[first], 0.0)[None]


def _visible(
    template: HeadTemplate, posed: Float[Tensor, "1 n 3"], side: int
) -> tuple[Float[Tensor, "n"], Bool[Tensor, "n"]]:
    """1 for each vertex that the source shows, and whether any triangle at it shows."""
    pixels = to_pixels(posed, side)
    raster = rasterise(pixels, template.triangles, side, side)
    height = float(pixels[0, template.on_face, 1].max() - pixels[0, template.on_face, 1].min())
    in_front = vertex_visibility(pixels, template.triangles, raster, tolerance_px=_SLACK * height)
    some = in_front[0] > 0
    for each in (side // 2, side):
        shell = rasterise(to_pixels(posed, each), template.shell, each, each)
        some[template.shell[shell.triangle[shell.covered]].flatten()] = True
    return (in_front * (vertex_facing(pixels, template.triangles) > _GRAZING))[0], some


def _colour_places(
    template: HeadTemplate, view: View, end: Tensor, posed: Tensor, mesh: Tensor, seen: Tensor
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"]]:
    """`FullHead.place` and `FullHead.inner_place`; hidden vertices are reflected into a band that ends at the face."""
    direction, distance = view.to_polar(posed[..., :2].mT)
    bare = torch.minimum(end, outline_of(view, posed[:, template.part == SKULL, :2].mT))  # beside an ear is background
    inner_end = torch.minimum(end, torch.minimum(end.roll(1, 1), end.roll(-1, 1)))  # so is above and below it
    outer = torch.where(template.part == EAR, read_outline(inner_end, direction), read_outline(bare, direction)) - _RIM
    face = read_outline(outline_of(view, mesh[..., :2].mT), direction)
    width = (_REFLECTED * (outer - face)).clamp(min=0.03)
    hidden = outer - width * torch.tanh((outer - distance).clamp(min=0) / width)
    own, reflected = posed[0, :, :2], view.to_picture(direction, hidden)[0].T
    inner = view.to_picture(direction, torch.minimum(distance, outer))[0].T
    return torch.where(seen[:, None], own, reflected), torch.where(seen[:, None], inner, reflected)
