"""Mouths and eyes to be painted: crops of the set, and surroundings as imperfect as the systems' own results."""

import dataclasses
import itertools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reenact.geometry.flow import mesh_flow
from reenact.geometry.landmarks import INNER_LIP_RING
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.ops.warp import warp
from reenact.perception.crop import tracker_crop
from reenact.portrait import parts
from reenact.portrait.parts import Affine, Part
from train.data.faces import FaceData
from train.run.loop import Batch

_SMALLEST_EYE_DISTANCE_PX = 44
_PARTED = (0.04, 0.15)
"""Opening of the lips over the eye distance: from which on a mouth is painted, and from which on it is wide open."""
_LIDS = (0.0, 0.12, 0.2, 0.3, 9.0)
"""Bins of the opening of an eye over its width; all are drawn alike, and so stills and frames of each."""
_KNOWN = {"mouth": (0.75, 0.4), "eye": (0.9, 0.5)}
"""Share of the frames, and of the stills, for which the source's part is shown. A still's own mouth, distorted, or its
other eye tells more of the target than a source will."""
_FACE_PX = 128
"""Side of the face in which eyes are read."""
_FLIP = ((-1.0, 0.0, parts.SIZE[1]), (0.0, 1.0, 0.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartDraws:
    """What a batch is made of."""

    rows: np.ndarray
    """(n,) targets."""
    sources: np.ndarray
    """(n,) another frame of the same clip, or the row itself for stills, which show the person only once."""
    left: np.ndarray
    """(n,) bool: the left eye."""


class PartSampler:
    """Draws targets of one part, and cuts them."""

    def __init__(self, data: FaceData, part: Part, model: MorphableModel | None = None) -> None:
        self.data = data
        self.part: Part = part
        self.model = load_morphable() if model is None else model
        mesh = np.asarray(data.mesh_px)
        distance = np.linalg.norm(mesh[:, 33] - mesh[:, 263], axis=-1)
        large = distance > _SMALLEST_EYE_DISTANCE_PX
        still = np.asarray(data.is_still)
        if part == "mouth":
            opening = np.linalg.norm(mesh[:, 13] - mesh[:, 14], axis=-1) / distance
            kinds = [opening > _PARTED[0], (opening > _PARTED[0]) & ~still, opening > _PARTED[1]]
            found = [np.flatnonzero(large & kind) for kind in (kinds[0] & still, *kinds[1:])]
            self.pools = [np.stack([rows, np.zeros_like(rows)], 1) for rows in found]
        else:
            opening = np.stack([_opening(mesh, (159, 145, 33, 133)), _opening(mesh, (386, 374, 263, 362))], 1)
            bins = [(opening >= a) & (opening < b) & large[:, None] for a, b in itertools.pairwise(_LIDS)]
            self.pools = [np.argwhere(kind & only[:, None]) for kind in bins for only in (still, ~still)]
        self.pools = [pool for pool in self.pools if len(pool)]
        self.first, self.end = np.arange(len(mesh)), np.arange(len(mesh)) + 1
        for first, end in data.clip_ranges:
            self.first[first:end], self.end[first:end] = first, end

    def draw(self, rng: np.random.Generator, size: int) -> PartDraws:
        """Pools take turns, so that rare kinds count."""
        start = int(rng.integers(len(self.pools)))
        pools = [self.pools[(start + i) % len(self.pools)] for i in range(size)]
        picked = np.stack([pool[rng.integers(len(pool))] for pool in pools])
        rows = picked[:, 0]
        return PartDraws(rows=rows, sources=rng.integers(self.first[rows], self.end[rows]), left=picked[:, 1] > 0)

    def sample(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """A batch with all random changes."""
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        batch = change(self.cut(self.draw(rng, size), noise, warped_share=0.4, driver_share=0.5), self.part, noise)
        return {name: value.to(device) for name, value in batch.items()}

    def validation(self, count: int) -> dict[str, Batch]:
        """The same crops at each call: mouths without ("") and with the driver's ("_driven"), or eyes.

        Frames of clips have the warped source around them.
        """
        draws = self.draw(np.random.default_rng(1), count)
        shares = {"": 0.0, "_driven": 1.0} if self.part == "mouth" else {"": 0.0}
        return {name: self.cut(draws, driver_share=share) for name, share in shares.items()}

    def cut(
        self,
        draws: PartDraws,
        noise: torch.Generator | None = None,
        *,
        warped_share: float = 1.0,
        driver_share: float = 0.0,
    ) -> Batch:
        """Crops without changes of colour and sharpness.

        Args:
            draws: what is cut.
            noise: for random shifts, rotations and scales; None cuts exactly.
            warped_share: of the frames whose surroundings are the source warped onto the target's mesh, instead of
                the target itself. Stills have no source.
            driver_share: of the mouths for which the driver's is given.

        Returns:
            target, near (surroundings), mask, maps (`reenact.portrait.networks.MAPS`), all (n, c, h, w). Of eyes also
            face and face_from_eyes (`train.losses.lids`).
        """
        sides = [(index, bool(left)) for left in (False, True) if len(index := np.flatnonzero(draws.left == left))]
        cuts: list[Batch] = []
        for index, left in sides:
            one = PartDraws(rows=draws.rows[index], sources=draws.sources[index], left=draws.left[index])
            cuts.append(self._cut_side(one, left, noise, warped_share, driver_share))
        order = torch.from_numpy(np.argsort(np.concatenate([index for index, _ in sides])))
        return {name: torch.cat([each[name] for each in cuts])[order] for name in cuts[0]}

    def _cut_side(
        self, draws: PartDraws, left: bool, noise: torch.Generator | None, warped_share: float, driver_share: float
    ) -> Batch:
        count, size = len(draws.rows), parts.SIZE
        (target, mesh), (source, source_mesh) = self._read(draws.rows), self._read(draws.sources)
        pair = torch.from_numpy(draws.rows != draws.sources)
        onto, own = (parts.crop_part(each, self.part, left=left) for each in (mesh, source_mesh))
        if self.part == "mouth":
            own = parts.align_noses(own, source_mesh, onto, mesh)
            if noise is not None:  # a still is its own source, distorted: its teeth shall be kept, not its shape
                distorted = parts.chain(lip_jitter(parts.place(own, source_mesh), noise, zoom=0.2), own)
                own = torch.where(pair[:, None, None], own, distorted)
        else:  # a still's other eye tells the iris's colour
            own = torch.where(pair[:, None, None], own, parts.crop_part(source_mesh, "eye", left=not left))
        if noise is not None:
            jitter = random_similarity(count, size, noise)
            onto, own = parts.chain(jitter, onto), parts.chain(jitter, own)
        near = cut = parts.sample(target, onto, size)
        warped = pair & (_chosen(count, warped_share, noise)[:, 0, 0, 0] > 0)
        if warped.any():
            near = cut.clone()
            near[warped] = self.warp_source(
                source[warped], source_mesh[warped], own[warped], mesh[warped], onto[warped]
            )
        points, theirs = parts.place(onto, mesh), parts.place(own, source_mesh)
        extra: Batch = {}
        shown = parts.sample(source, own, size)
        if self.part == "mouth":
            driver = parts.driver_mouth(target, mesh, points, None if noise is None else lip_jitter(points, noise))
            mask, maps = parts.mouth_inputs(points, shown, theirs, driver)
            maps[:, 1:3] *= _chosen(count, driver_share, noise)
        else:
            seen, other = (parts.eye_maps(theirs, left=side) for side in (left, not left))
            mask, maps = parts.eye_inputs(points, shown, torch.where(pair[:, None, None, None], seen, other), left=left)
            extra = _place_in_face(target, mesh, onto, left=left)
        shares = torch.where(pair, *_KNOWN[self.part])[:, None, None, None]
        maps[:, 3 if self.part == "mouth" else 2 :] *= shares >= (
            0.5 if noise is None else torch.rand(count, 1, 1, 1, generator=noise)
        )
        return {"target": cut, "near": near, "mask": mask, "maps": maps} | extra

    def warp_source(self, source: Tensor, mesh: Tensor, own: Affine, target: Tensor, onto: Affine) -> Tensor:
        """The source's part, warped along the meshes alone onto the target's crop."""
        width = parts.SIZE[1]

        def half_sides(mesh: Tensor, matrix: Affine) -> Tensor:
            zoom = torch.linalg.det(matrix[:, :, :2]).abs().sqrt()[:, None, None]
            return torch.cat([parts.place(matrix, mesh) * (2 / width) - 1, mesh[..., 2:] * zoom * (2 / width)], -1)

        flow = mesh_flow(self.model, half_sides(mesh, own), half_sides(target, onto), width)
        square = warp(parts.sample(source, own, (width, width)), flow.displacement)
        return square[:, :, : parts.SIZE[0]]

    def _read(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        rgb = torch.from_numpy(np.stack([self.data.rgb[row] for row in rows])).permute(0, 3, 1, 2).float() / 255
        return rgb, torch.from_numpy(np.stack([self.data.mesh_px[row] for row in rows]))


def change(batch: Batch, part: Part, noise: torch.Generator) -> Batch:
    """Blur and shift the surroundings as the systems' results are; change colours; mirror half of the samples."""
    count, maps = len(batch["target"]), batch["maps"].clone()
    near = blur(shake(batch["near"], 0.9, noise), torch.rand(count, generator=noise) * 1.8)
    if part == "mouth":
        driver = shake(maps[:, 1:2], 1.0, noise).clamp(min=0) ** _spread(count, 0.2, noise)
        driver = blur(driver * _spread(count, 0.25, noise), torch.rand(count, generator=noise) * 2)
        maps[:, 1:2] = driver * maps[:, 2:3]
    gain = torch.exp(torch.randn(count, 3, 1, 1, generator=noise) * 0.08) * _spread(count, 0.12, noise)
    shown = maps[:, 3:6] if part == "mouth" else maps[:, 2:5]
    known = shown.abs().amax((1, 2, 3), keepdim=True) > 0
    shown.copy_(torch.where(known, ((shown + 1) * gain).clamp(0, 2) - 1, shown))
    pictures = {"target": (batch["target"] * gain).clamp(0, 1), "near": (near * gain).clamp(0, 1)}
    grey = (torch.rand(count, generator=noise) < 0.08)[:, None, None, None]
    for picture in (*pictures.values(), shown):
        picture.copy_(torch.where(grey, picture.mean(1, keepdim=True), picture))
    mirrored = (torch.rand(count, generator=noise) < 0.5)[:, None, None, None]
    changed = batch | pictures | {"maps": maps}
    flipped = {name: value.flip(3) for name, value in changed.items() if not name.startswith("face")}
    if part == "eye":
        onto = batch["face_from_eyes"]
        flip = onto.new_tensor(_FLIP).expand(2 * count, -1, -1)
        flipped["face_from_eyes"] = parts.chain(onto.flatten(0, 1), flip).unflatten(0, (count, 2))
    return changed | {name: torch.where(mirrored, value, changed[name]) for name, value in flipped.items()}


def _place_in_face(target: Tensor, mesh: Tensor, onto: Affine, *, left: bool) -> Batch:
    """The tracker's crops, and where an eye's crop, and its mirrored copy, lie in them."""
    crops = np.stack([tracker_crop(one, _FACE_PX)[:2] for one in mesh.numpy()])
    face = torch.from_numpy(crops).float()
    jitter = parts.chain(onto, parts.invert(parts.crop_part(mesh, "eye", left=left)))
    other = parts.chain(jitter, parts.crop_part(mesh, "eye", left=not left))
    places = torch.stack([parts.chain(face, parts.invert(each)) for each in (onto, other)], 1)
    return {"face": parts.sample(target, face, (_FACE_PX, _FACE_PX)), "face_from_eyes": places}


def random_similarity(count: int, size: tuple[int, int], noise: torch.Generator) -> Affine:
    """Small rotations, scales and shifts about the middle of a crop."""
    angle, zoom = torch.randn(count, generator=noise) * 0.08, _spread(count, 0.1, noise)[:, 0, 0, 0]
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    linear = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], 1)
    middle = torch.tensor([size[1] / 2, size[0] / 2])
    shift = middle + torch.randn(count, 2, generator=noise) * 2 - linear @ middle
    return torch.cat([linear, shift[..., None]], 2)


def lip_jitter(points: Tensor, noise: torch.Generator, zoom: float = 0.08) -> Affine:
    """Small affine changes about the middle of the lips: a driver's lips never fit the target's exactly."""
    count = len(points)
    turn = torch.randn(count, generator=noise) * 0.06
    across, down = (_spread(count, zoom, noise)[:, 0, 0, 0] for _ in range(2))
    linear = torch.stack([torch.stack([across, turn], -1), torch.stack([-turn, down], -1)], 1)
    middle = points[:, list(INNER_LIP_RING)].mean(1)
    shift = middle + torch.randn(count, 2, generator=noise) - (linear @ middle[..., None])[..., 0]
    return torch.cat([linear, shift[..., None]], 2)


def shake(picture: Tensor, largest_px: float, noise: torch.Generator) -> Tensor:
    """A smooth random warp, of each picture by up to `largest_px` (standard deviation)."""
    count, _, height, width = picture.shape
    amount = torch.rand(count, 1, 1, 1, generator=noise) * largest_px
    coarse = torch.randn(count, 2, 4, 4, generator=noise) * amount
    field = functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)
    return warp(picture, field * torch.tensor([2 / width, 2 / height])[:, None, None])


def blur(picture: Tensor, strength: Tensor) -> Tensor:
    """Each picture between sharp (0), one (1) and two (2) passes of a binomial filter of 5 pixels."""
    channels = picture.shape[1]
    row = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    kernel = (row[:, None] * row).expand(channels, 1, 5, 5)
    once, twice = picture, picture
    for i in range(2):
        twice = functional.conv2d(functional.pad(twice, (2,) * 4, mode="replicate"), kernel, groups=channels)
        once = twice if i == 0 else once
    strength = strength[:, None, None, None]
    return torch.where(strength < 1, torch.lerp(picture, once, strength), torch.lerp(once, twice, strength - 1))


def _spread(count: int, deviation: float, noise: torch.Generator) -> Tensor:
    return torch.exp(torch.randn(count, 1, 1, 1, generator=noise) * deviation)


def _chosen(count: int, share: float, noise: torch.Generator | None) -> Tensor:
    """1 for a random share of the samples, (n, 1, 1, 1); without noise 1 if the share is over a half."""
    if noise is None:
        return torch.full((count, 1, 1, 1), float(share > 0.5))
    return (torch.rand(count, 1, 1, 1, generator=noise) < share).float()


def _opening(mesh: np.ndarray, points: tuple[int, int, int, int]) -> np.ndarray:
    upper, lower, outer, inner = (mesh[:, point] for point in points)
    return np.linalg.norm(upper - lower, axis=-1) / np.linalg.norm(outer - inner, axis=-1).clip(1e-6)
