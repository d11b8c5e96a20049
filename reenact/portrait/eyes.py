"""Eyes in layers, of the source's own pixels: skin of the lids, white, iris.

An eye of the source is taken apart once: its white is continued behind the iris, its iris behind the lids by its own
symmetry. In a frame the skin between brow and lashes, and that below, is stretched to where the target's lids are; the
white follows the lids, the iris stands where the target's is, and both are seen between the lids.
"""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.geometry.landmarks import LEFT_EYE_RING, LEFT_IRIS, RIGHT_EYE_RING, RIGHT_IRIS
from reenact.ops.fill import fill_hole
from reenact.portrait import parts
from reenact.portrait.parts import ramp

_LIMBUS = 0.14
"""Width of the soft rim of an iris, share of its radius."""
_WIDER = (1.06, 1.2)
"""Share of the radius up to which pixels are drawn with the iris, and from which they are white."""
_LASHES_PX = (0.7, 1.6)
"""Width of the lashes and of the lids' shadow inside the lids' contour, open and closed: a tracker reads closed lids as
a slit;"""
_LASH_LINE_PX = (3.2, 1.5)
"""width of what is kept in one piece outside it, of the upper and of the lower lid."""
_SHADOW, _SHADOW_PX = 0.8, 3.0
"""Darkness of a lowered lid's shadow at its rim, from half-way down on, and the distance over which it falls to 1/e."""
_BEND_PX = 3.0
"""Reach over which the lids' movement is smoothed, so that lashes beyond the corners move along."""
_COVERED_PX = (0.5, 2.2)
"""Width of the upper and of the lower lid's rim that closed lids hide."""
_SEEN_SHARE = 0.15
"""Share of the eye's height between its lids and the middle of the iris, at least."""
_BRIGHT = 0.5
"""Share of the white's pixels, the brightest, that are continued behind the iris."""
_LOOKS_PX = (0.4, 1.2)
"""Of `turned_share`."""
_SHOWN = (0.14, 0.2)
"""Opening of the source's lids over the eye's width from which its iris and white are known."""
_CLOSING = (0.55, 0.7)
"""Opening over the source's up to which lids are closed, and from which they are not; between, irises shine through."""
_MOST_ZOOM = 12
"""Pixels of a layer in one of an eye's crop."""

_UNDER_BROW = {False: (225, 224, 223, 222, 221), True: (445, 444, 443, 442, 441)}
_UNDER_EYE = {False: (31, 228, 229, 230, 231, 232, 233), True: (261, 448, 449, 450, 451, 452, 453)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class EyeLayers:
    """An eye of the source. Points are in pixels of `parts.crop_part`, layers are finer by `zoom`."""

    skin: Float[Tensor, "1 3 h w"]
    """The eye as it is."""
    white: Float[Tensor, "1 3 h w"]
    iris: Float[Tensor, "1 3 h w"]
    points: Float[Tensor, "1 478 2"]
    """The source's mesh."""
    centre: Float[Tensor, "1 2"]
    """Of the iris,"""
    radius: Float[Tensor, "1"]
    """and its radius."""
    zoom: int
    left: bool

    def compose(self, points: Float[Tensor, "f 478 2"]) -> Float[Tensor, "f 4 h w"]:
        """The eye under another mesh: RGB, and the soft ellipse around the eye."""
        count, zoom, left = len(points), self.zoom, self.left
        size = self.skin.shape[-2], self.skin.shape[-1]
        moved = self._within_lids(points) - self.centre
        moves = torch.cat([torch.eye(2).to(points).expand(count, -1, -1), moved[..., None] * zoom], 2)
        drawn = parts.sample(self.iris.expand(count, -1, -1, -1), moves, size)
        distance = _distance(self.centre + moved, zoom) / self.radius
        disc = ((_WIDER[0] - distance) / _LIMBUS + 0.5).clamp(0, 1)[:, None]
        lids = _lids(points, self.points, left=left)
        lids = torch.cat([lids[:, :, :2], lids[:, :, 2:] * zoom], 2)
        ball = torch.lerp(parts.sample(self.white.expand(count, -1, -1, -1), lids, size), drawn, disc)
        ball = ball * (1 - self._shadow(points))
        above, below, lower = self._stretch(points)
        skin = torch.lerp(self._skin_at(above), self._skin_at(below), lower)
        seen = _between_lids(points, zoom, 1 - _closing(points, self.points, left=left), left=left)
        mask = functional.interpolate(parts.eye_mask(points, left=left), size=size, mode="bilinear")
        return torch.cat([torch.lerp(skin, ball, seen), mask], 1)

    def _within_lids(self, points: Float[Tensor, "f 478 2"]) -> Float[Tensor, "f 2"]:
        """Where the iris stands: it moves as the mesh's, as far as it stays in sight."""
        centre = self.centre + (points - self.points)[:, _iris(self.left)[0]]
        ring = points[:, list(_ring(self.left))]
        low, high = ring.amin(1), ring.amax(1)
        inset = torch.stack([0.9 * self.radius.expand(len(points)), (high - low)[:, 1] * _SEEN_SHARE], 1)
        inset = inset.minimum((high - low) / 2)
        return centre.maximum(low + inset).minimum(high - inset)

    def _skin_at(self, before: Float[Tensor, "f h w 2"]) -> Float[Tensor, "f 3 h w"]:
        return functional.grid_sample(self.skin.expand(len(before), -1, -1, -1), before, "bilinear", "border", False)

    def _shadow(self, points: Float[Tensor, "f 478 2"]) -> Float[Tensor, "f 1 h w"]:
        """Of lashes and lid on the eye, as far as the lid is lower than the source's."""
        x, y = self._columns(points)
        lid = _curve(points[:, list(_upper(self.left))], x.expand(len(points), -1))[:, None]
        lowered = 1 - _opening(points, left=self.left) / _opening(self.points, left=self.left).clamp(min=1e-3)
        dark = _SHADOW * (2 * lowered).clamp(0, 1)[:, None, None]
        return (dark * torch.exp((lid - y).clamp(max=0) / _SHADOW_PX))[:, None]

    def _columns(self, like: Tensor) -> tuple[Float[Tensor, "w"], Float[Tensor, "h 1"]]:
        """x and y of a layer's pixels, in crop pixels."""
        across, down = (torch.arange(size * self.zoom).to(like) for size in reversed(parts.SIZE))
        return (across + 0.5) / self.zoom, ((down + 0.5) / self.zoom)[:, None]

    def _stretch(
        self, points: Float[Tensor, "f 478 2"]
    ) -> tuple[Float[Tensor, "f h w 2"], Float[Tensor, "f h w 2"], Float[Tensor, "f 1 h w"]]:
        """Where pixels of the upper lid, and of the lower, lie in the source, in half-sides; the lower one's share.

        Columns keep their share of the eye's width. Along a column, lashes move in one piece with the lid, and the skin
        between them and the brow, or the cheek, is stretched.
        """
        (height, width), left = parts.SIZE, self.left
        own, ring = self.points.expand(len(points), -1, -1), _ring(left)
        outer, inner = (ring[8], ring[0]) if left else (ring[0], ring[8])
        x, y = self._columns(points)
        along = (x - points[:, [outer], 0]) / (points[:, [inner], 0] - points[:, [outer], 0]).clamp(min=1)
        before_x = own[:, [outer], 0] + along * (own[:, [inner], 0] - own[:, [outer], 0])
        covered = _closing(points, own, left=left)[:, None, None]
        reach = (1 - covered) * (_LASHES_PX[0] + 1)

        def heights(line: tuple[int, ...]) -> tuple[Tensor, Tensor]:
            lines = _curve(points[:, list(line)], x.expand(len(points), -1)), _curve(own[:, list(line)], before_x)
            return lines[0][:, None], lines[1][:, None]

        brow, before_brow = heights(_UNDER_BROW[left])
        cheek, before_cheek = heights(_UNDER_EYE[left])
        upper, before_upper = heights(_upper(left))
        lower, before_lower = heights(ring[:9])
        upper, limits = torch.minimum(upper, lower), (before_upper + reach, before_lower - reach)
        limits = limits[0] - _COVERED_PX[0] * covered, limits[1] + _COVERED_PX[1] * covered
        rim, back = upper - _LASH_LINE_PX[0], self._smooth(before_upper - upper)
        stretched = (rim + back - before_brow) / (rim - brow).clamp(min=1)
        above = torch.where(y < brow, before_brow + y - brow, rim + back + (y - rim) * stretched)
        above = torch.where(y > rim, (y + back).minimum(limits[0]), above)
        rim, back = lower + _LASH_LINE_PX[1], self._smooth(before_lower - lower)
        stretched = (before_cheek - rim - back) / (cheek - rim).clamp(min=1)
        below = torch.where(y > cheek, before_cheek + y - cheek, rim + back + (y - rim) * stretched)
        below = torch.where(y < rim, (y + back).maximum(limits[1]), below)
        share = ((y - (upper + lower) / 2) * self.zoom + 0.5).clamp(0, 1)[:, None]
        before_x = (before_x * (2 / width) - 1)[:, None].expand_as(above)
        above, below = (torch.stack([before_x, each * (2 / height) - 1], -1) for each in (above, below))
        return above, below, share

    def _smooth(self, line: Float[Tensor, "f 1 w"]) -> Float[Tensor, "f 1 w"]:
        reach = round(_BEND_PX * self.zoom)
        return functional.avg_pool1d(functional.pad(line, (reach, reach), mode="replicate"), 2 * reach + 1, 1)


def take_apart(rgb: Float[Tensor, "1 3 s s"], mesh_px: Float[Tensor, "1 478 3"], *, left: bool) -> EyeLayers:
    """The source's eye in layers, at twice the source's own resolution, at least the crop's."""
    own = parts.crop_part(mesh_px, "eye", left=left)
    zoom = int(torch.linalg.det(own[:, :, :2]).abs().rsqrt().mul(2).round().clamp(1, _MOST_ZOOM))
    points, size = parts.place(own, mesh_px), (parts.SIZE[0] * zoom, parts.SIZE[1] * zoom)
    skin = parts.sample(rgb, own * zoom, size)
    centre, radius = _find_iris(parts.sample(rgb, own, parts.SIZE), points, left=left)
    ball, distance = _between_lids(points, zoom, left=left) > 0.9, (_distance(centre, zoom) / radius)[:, None]
    return EyeLayers(
        skin=skin,
        white=_whiten(skin, ball & (distance > _WIDER[1])),
        iris=_complete(skin, ball & (distance < 1 - _LIMBUS / 2), centre * zoom),
        points=points,
        centre=centre,
        radius=radius,
        zoom=zoom,
        left=left,
    )


def shown_share(own: Float[Tensor, "1 478 2"], *, left: bool) -> Float[Tensor, "1"]:
    """1 for an eye whose white and iris the source shows, 0 for a closed one; `own` is its mesh in the eye's crop."""
    return ramp(_opening(own, left=left), _SHOWN)


def open_share(points: Float[Tensor, "f 478 2"], own: Float[Tensor, "1 478 2"], *, left: bool) -> Float[Tensor, "f"]:
    """1 for lids that are composed, 0 for closed and half closed ones, which are better painted.

    Most of their skin is folded away in the source.

    Args:
        points: the target mesh in the eye's crop.
        own: the source's in its own.
        left: which eye.
    """
    return 1 - _closing(points, own, left=left)


def turned_share(points: Float[Tensor, "f 478 2"], own: Float[Tensor, "1 478 2"], *, left: bool) -> Float[Tensor, "f"]:
    """0 for an iris that stays in its place between the lids, 1 for one that looks elsewhere."""
    iris = _iris(left)[0]
    still = parts.place(_lids(points, own, left=left), own[:, [iris]].expand(len(points), -1, -1))[:, 0]
    return ramp((points[:, iris] - still).norm(dim=-1), _LOOKS_PX)


def _lids(points: Float[Tensor, "f 478 2"], own: Float[Tensor, "1 478 2"], *, left: bool) -> parts.Affine:
    """The source's lids laid on the target's."""
    ring = list(_ring(left))
    return parts.fit_affine(own[:, ring].expand(len(points), -1, -1), points[:, ring])


def _iris(left: bool) -> tuple[int, ...]:
    return LEFT_IRIS if left else RIGHT_IRIS


def _ring(left: bool) -> tuple[int, ...]:
    """The lower lid from corner to corner, then the upper one back."""
    return LEFT_EYE_RING if left else RIGHT_EYE_RING


def _upper(left: bool) -> tuple[int, ...]:
    """The upper lid from corner to corner."""
    ring = _ring(left)
    return (*ring[8:], ring[0])


def _opening(points: Tensor, *, left: bool) -> Float[Tensor, "f"]:
    """Height of the eye over its width."""
    ring = points[:, list(_ring(left))]
    height = (ring[:, 3:6] - ring[:, [13, 12, 11]]).norm(dim=-1).mean(1)
    return height / (ring[:, 8] - ring[:, 0]).norm(dim=-1).clamp(min=1e-3)


def _curve(line: Float[Tensor, "f k 2"], x: Float[Tensor, "f w"]) -> Float[Tensor, "f w"]:
    """Height of a line through points at each x, level beyond its ends."""
    order = line[..., 0].argsort(1)
    known, heights = (line[..., i].gather(1, order).contiguous() for i in (0, 1))
    after = torch.searchsorted(known, x.contiguous()).clamp(1, line.shape[1] - 1)
    ends = [(known.gather(1, each), heights.gather(1, each)) for each in (after - 1, after)]
    (from_x, from_y), (to_x, to_y) = ends
    return torch.lerp(from_y, to_y, ((x - from_x) / (to_x - from_x).clamp(min=1e-3)).clamp(0, 1))


def _closing(points: Tensor, own: Tensor, *, left: bool) -> Float[Tensor, "f"]:
    """0 for lids as in the source, 1 for closed ones."""
    return 1 - ramp(_opening(points, left=left) / _opening(own, left=left).clamp(min=1e-3), _CLOSING)


def _between_lids(
    points: Tensor, zoom: int, opened: Float[Tensor, "f"] | None = None, *, left: bool
) -> Float[Tensor, "f 1 h w"]:
    inside = parts.signed_distance(points[:, list(_ring(left))], parts.SIZE)
    inside = functional.interpolate(inside, size=(parts.SIZE[0] * zoom, parts.SIZE[1] * zoom), mode="bilinear")
    open_px, closed_px = _LASHES_PX
    lashes = open_px if opened is None else (closed_px + opened * (open_px - closed_px))[:, None, None, None]
    return parts.coverage(inside - lashes)


def _distance(centre: Float[Tensor, "f 2"], zoom: int) -> Float[Tensor, "f h w"]:
    """Of every pixel of a layer, in crop pixels."""
    height, width = parts.SIZE
    x = (torch.arange(width * zoom).to(centre) + 0.5) / zoom - centre[:, 0, None, None]
    y = ((torch.arange(height * zoom).to(centre) + 0.5) / zoom)[:, None] - centre[:, 1, None, None]
    return (x.square() + y.square()).sqrt()


def _find_iris(
    shown: Float[Tensor, "1 3 h w"], points: Tensor, *, left: bool
) -> tuple[Float[Tensor, "1 2"], Float[Tensor, "1"]]:
    """Centre and radius: the mesh's, moved to where the disc is darker than the white, and its middle than the disc."""
    iris = points[:, list(_iris(left))]
    centre, radius = iris[:, 0], (iris[:, 1:] - iris[:, :1]).norm(dim=-1).mean(1)
    steps = torch.linspace(-0.3, 0.3, 9).to(radius)
    offsets = torch.cartesian_prod(steps, steps)
    distance = _distance(centre + offsets * radius, 1) / radius
    seen = _between_lids(points, 1, left=left)[:, 0]
    luma = _luma(shown)[:, 0]

    def mean(low: float, high: float) -> Float[Tensor, "k"]:
        here = seen * ((distance >= low) & (distance < high))
        return (luma * here).sum((1, 2)) / here.sum((1, 2)).clamp(min=1)

    score = mean(1.0, 1.6) - mean(0.0, 1.0) + 0.5 * (mean(0.5, 0.9) - mean(0.0, 0.4)) - 0.05 * offsets.norm(dim=1)
    return centre + offsets[score.argmax()] * radius, radius


def _continue(shown: Float[Tensor, "1 3 h w"], known: Tensor) -> Float[Tensor, "1 3 h w"]:
    """The known pixels continued smoothly."""
    height, width = shown.shape[-2:]
    below = (0, 0, 0, width - height)
    return fill_hole(functional.pad(shown, below), functional.pad(1 - known.to(shown), below, value=1.0))[:, :, :height]


def _whiten(shown: Float[Tensor, "1 3 h w"], known: Tensor) -> Float[Tensor, "1 3 h w"]:
    """The white, continued from its brightest pixels: corners and shadows of lashes do not spread behind the iris."""
    luma = _luma(shown)
    bright = known & (luma >= luma[known].quantile(1 - _BRIGHT)) if known.any() else known
    return torch.where(known, shown, _continue(shown, bright))


def _luma(shown: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 1 h w"]:
    return (shown * shown.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def _complete(shown: Float[Tensor, "1 3 h w"], known: Tensor, centre: Float[Tensor, "1 2"]) -> Float[Tensor, "1 3 h w"]:
    """The iris with what the lids hide: the point mirrored at the centre, else continued."""
    size = (shown.shape[-2], shown.shape[-1])
    turn = torch.cat([-torch.eye(2).to(shown)[None], 2 * centre[..., None]], 2)
    mirrored, there = parts.sample(torch.cat([shown, known.to(shown)], 1), turn, size, "zeros").split([3, 1], 1)
    return _continue(torch.where(known, shown, mirrored), known | (there > 0.99))
