"""Pictures with faces of many sizes, composed from the crops of a set, for training the detector."""

import dataclasses
import itertools

import cv2
import numpy as np

from train.augment.crops import random_colour, random_occluder, random_quality
from train.augment.faceless import BUNDLED_TRAIN, make_backgrounds, random_pattern, random_window, read_bundled
from train.data.faces import CROP_PX, FaceData

HIDDEN_BELOW = 0.6
"""Faces with a smaller visible share of their box are ignored by the loss."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture and its faces."""

    rgb: np.ndarray
    """(side, side, 3) uint8."""
    boxes: np.ndarray
    """(n, 4) float32, x0 y0 x1 y1 of the mesh, not clipped to the picture."""
    certain: np.ndarray
    """(n,) bool; False where so little is visible that the loss ignores the face."""


class SceneComposer:
    """Draws scenes from one split of the set; the same generator state gives the same scene."""

    def __init__(
        self,
        data: FaceData,
        *,
        side: int,
        backgrounds: list[np.ndarray],
        min_face_px: float = 8.0,
        max_face_px: float = 260.0,
    ) -> None:
        self.data, self.side, self.backgrounds = data, side, backgrounds
        self.min_face_px, self.max_face_px = min_face_px, max_face_px
        self._drawn: list[int] = []
        weights = person_weights(data)
        self.cumulative = np.cumsum(weights / weights.sum())

    @classmethod
    def for_training(cls, data: FaceData, side: int) -> "SceneComposer":
        return cls(data, side=side, backgrounds=make_backgrounds(data, 2000, seed=0) + read_bundled(BUNDLED_TRAIN) * 12)

    def compose(self, rng: np.random.Generator) -> Scene:
        """A scene: faces pasted on a background, a wall of whole crops, or no face at all."""
        kind = rng.random()
        if kind < 0.2:
            scene = self._wall(rng)
        else:
            scene = self._pasted(rng, faces=0 if kind > 0.92 else int(rng.choice([1, 2, 3, 4, 6, 9])))
        rgb = scene.rgb
        if rng.random() < 0.1:  # a letterbox, as in pictures padded to a multiple of the network's stride
            edge = int(rng.integers(1, self.side // 4))
            rgb = rgb.copy()
            rgb[-edge:] = 128
            height = scene.boxes[:, 3] - scene.boxes[:, 1]
            shown = (self.side - edge - scene.boxes[:, 1]) / np.maximum(height, 1e-6)
            scene = dataclasses.replace(scene, certain=scene.certain & (shown > HIDDEN_BELOW))
        rgb = random_quality(random_tone(rgb, rng) if rng.random() < 0.7 else rgb, rng)
        return dataclasses.replace(scene, rgb=rgb)

    def take_drawn_rows(self) -> list[int]:
        """Rows of the pictures drawn since the last call."""
        rows, self._drawn = self._drawn, []
        return rows

    def _row(self, rng: np.random.Generator) -> int:
        row = int(np.searchsorted(self.cumulative, rng.random()).clip(max=len(self.data) - 1))
        self._drawn.append(row)
        return row

    def _background(self, side: int, rng: np.random.Generator) -> np.ndarray:
        kind = rng.random()
        if kind < 0.15:
            return random_pattern(side, rng)
        if kind < 0.4:  # four smaller pictures: more edges and finer texture
            half = -(-side // 2)
            tiles = [self._one_background(half, rng) for _ in range(4)]
            return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])[:side, :side].copy()
        return self._one_background(side, rng)

    def _one_background(self, side: int, rng: np.random.Generator) -> np.ndarray:
        return random_window(self.backgrounds[int(rng.integers(len(self.backgrounds)))], side, rng)

    def _wall(self, rng: np.random.Generator) -> Scene:
        """A grid of whole crops, whose faces have their own background and no pasted edges."""
        cells = int(rng.choice([1, 2, 3, 4, 6], p=[0.35, 0.25, 0.2, 0.12, 0.08]))
        edges = np.linspace(0, self.side, cells + 1).round().astype(int)
        rgb = np.zeros((self.side, self.side, 3), np.uint8)
        boxes = []
        for top, bottom in itertools.pairwise(edges):
            for left, right in itertools.pairwise(edges):
                size = (int(right - left), int(bottom - top))
                if cells > 1 and rng.random() < 0.25:
                    rgb[top:bottom, left:right] = cv2.resize(self._one_background(max(size), rng), size)
                    continue
                row = self._row(rng)
                picture, mesh = self.data.rgb[row], self.data.mesh_px[row][:, :2]
                if rng.random() < 0.5:
                    picture, mesh = picture[:, ::-1], mesh * [-1, 1] + [CROP_PX, 0]
                box = np.concatenate([mesh.min(0), mesh.max(0)])
                share = rng.uniform(0.7, 1.0)
                window = int(CROP_PX * share)
                x, y = (int(v) for v in rng.integers(0, CROP_PX - window + 1, 2))
                part = np.ascontiguousarray(picture[y : y + window, x : x + window])
                rgb[top:bottom, left:right] = cv2.resize(
                    part, size, interpolation=cv2.INTER_AREA if size[0] < window else cv2.INTER_LINEAR
                )
                scale = np.array([size[0], size[1]] * 2) / window
                placed = (box - [x, y, x, y]) * scale
                visible = _share_inside(placed, size)
                boxes.append((placed + [left, top, left, top], visible))
        return self._scene(rgb, boxes)

    def _pasted(self, rng: np.random.Generator, *, faces: int) -> Scene:
        side = self.side
        rgb = self._background(side, rng)
        for _ in range(int(rng.integers(0, 4))):  # distractors with the same kinds of edges
            self._paste_distractor(rgb, rng)
        boxes: list[tuple[np.ndarray, float]] = []
        largest = self.max_face_px if faces <= 2 else self.max_face_px / np.sqrt(faces)
        sizes = np.exp(rng.uniform(np.log(self.min_face_px), np.log(largest), faces))
        for size in np.sort(sizes)[::-1]:
            for _ in range(6):  # attempts to find a free place
                centre = (
                    rng.uniform(-0.05 * size, side + 0.05 * size, 2)
                    if rng.random() < 0.15
                    else rng.uniform(min(0.5 * size, side / 2), max(side - 0.5 * size, side / 2), 2)
                )
                reach = np.concatenate([centre - 0.6 * size, centre + 0.6 * size])
                if all(_shared_area(reach, box) < 0.1 * size**2 for box, _ in boxes):
                    break
            else:
                continue
            box, alpha, origin = self._paste_face(rgb, centre, size, rng)
            boxes = [(other, shown * (1 - _cover(other, alpha, origin))) for other, shown in boxes]
            boxes.append((box, _share_inside(box, (side, side))))
        return self._scene(rgb, boxes)

    def _scene(self, rgb: np.ndarray, boxes: list[tuple[np.ndarray, float]]) -> Scene:
        return Scene(
            rgb=rgb,
            boxes=np.array([box for box, _ in boxes], np.float32).reshape(-1, 4),
            certain=np.array([visible >= HIDDEN_BELOW for _, visible in boxes], bool),
        )

    def _paste_face(
        self, rgb: np.ndarray, centre: np.ndarray, size: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Paste a person; the longer side of the face's box is `size`. Returns the box, the alpha and its corner."""
        row = self._row(rng)
        crop, mesh = np.asarray(self.data.rgb[row]), self.data.mesh_px[row][:, :2].astype(np.float64)
        alpha = self._alpha(row, mesh, rng)
        if rng.random() < 0.1:
            crop = self._occluded(crop, mesh, rng)
        if rng.random() < 0.3:
            crop = random_colour(crop, rng)
        if rng.random() < 0.5:
            crop, alpha, mesh = crop[:, ::-1], alpha[:, ::-1], mesh * [-1, 1] + [CROP_PX, 0]
        turn_rad = np.radians(np.clip(rng.normal(0, 14), -45, 45)) * (rng.random() < 0.6)
        aspect = np.exp(rng.normal(0, 0.05))
        scale = size / np.ptp(mesh, axis=0).max()
        # shrink first by areas, so that small faces are smooth; then turn
        small_px = int(np.clip(np.ceil(CROP_PX * scale * 1.3), 12, CROP_PX))
        if small_px < CROP_PX:
            crop = cv2.resize(np.ascontiguousarray(crop), (small_px, small_px), interpolation=cv2.INTER_AREA)
            alpha = cv2.resize(np.ascontiguousarray(alpha), (small_px, small_px), interpolation=cv2.INTER_AREA)
        c, s = np.cos(turn_rad) * scale, np.sin(turn_rad) * scale
        matrix = np.array([[c, -s], [s, c]]) @ np.diag([aspect, 1 / aspect])
        points = mesh @ matrix.T
        middle = (points.min(0) + points.max(0)) / 2
        offset = centre - middle
        corners = np.array([[0, 0], [CROP_PX, 0], [0, CROP_PX], [CROP_PX, CROP_PX]]) @ matrix.T + offset
        x0, y0 = np.floor(corners.min(0)).astype(int).clip(0, self.side)
        x1, y1 = np.ceil(corners.max(0)).astype(int).clip(0, self.side)
        box = np.concatenate([points.min(0), points.max(0)]) + np.tile(offset, 2)
        if x1 <= x0 or y1 <= y0:
            return box, np.zeros((0, 0), np.float32), (x0, y0)
        from_small = matrix * (CROP_PX / small_px)
        shift = offset - [x0, y0]
        affine = np.concatenate([from_small, (shift + from_small @ [0.5, 0.5] - 0.5)[:, None]], axis=1)
        target = (int(x1 - x0), int(y1 - y0))
        patch = cv2.warpAffine(np.ascontiguousarray(crop), affine, target, borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.warpAffine(np.ascontiguousarray(alpha), affine, target, borderMode=cv2.BORDER_CONSTANT)
        place = rgb[y0:y1, x0:x1]
        place[:] = (place + cover[..., None] * (patch.astype(np.float32) - place)).astype(np.uint8)
        return box, cover, (int(x0), int(y0))

    def _occluded(self, crop: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The crop with an occluder, unless that hides too much of the face."""
        covered = random_occluder(crop, cv2.resize(self._one_background(64, rng), (CROP_PX, CROP_PX)), rng)
        x0, y0 = np.floor(mesh.min(0)).astype(int).clip(0, CROP_PX - 2)
        x1, y1 = np.ceil(mesh.max(0)).astype(int).clip(2, CROP_PX)
        hidden = (covered != crop).any(-1)[y0:y1, x0:x1].mean()
        return covered if hidden < 1 - HIDDEN_BELOW else crop

    def _alpha(self, row: int, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(256, 256) in [0, 1]: the person cut out, a feathered ellipse around the head, or the whole crop."""
        kind = rng.random()
        if kind < 0.45 and self.data.has_parsing[row]:
            person = cv2.resize((self.data.parsing[row] > 0).astype(np.float32), (CROP_PX, CROP_PX))
            return cv2.GaussianBlur(person, (0, 0), rng.uniform(1, 3))
        if kind < 0.75:
            low, high = mesh.min(0), mesh.max(0)
            alpha = np.zeros((CROP_PX, CROP_PX), np.float32)
            middle = (low + high) / 2 - [0, 0.1 * (high - low)[1]]
            axes = (high - low) / 2 * rng.uniform(1.05, 1.7, 2)
            cv2.ellipse(alpha, (tuple(middle.tolist()), tuple((2 * axes).tolist()), 0.0), 1.0, -1)
            return cv2.GaussianBlur(alpha, (0, 0), rng.uniform(1, 10))
        return np.ones((CROP_PX, CROP_PX), np.float32)

    def _paste_distractor(self, rgb: np.ndarray, rng: np.random.Generator) -> None:
        """Paste a patch of background or pattern, or a scrambled face."""
        size = int(np.exp(rng.uniform(np.log(10), np.log(self.side * 0.6))))
        kind = rng.random()
        if kind < 0.15:
            patch = self._scrambled(rng)
        elif kind < 0.35:
            patch = random_pattern(96, rng)
        else:
            patch = self._one_background(128, rng)
        patch = cv2.resize(patch, (size, size), interpolation=cv2.INTER_AREA)
        alpha = np.zeros((size, size), np.float32)
        if rng.random() < 0.6:
            cv2.ellipse(alpha, (size // 2, size // 2), (size * 2 // 5, size // 2), 0, 0, 360, 1.0, -1)
            alpha = cv2.GaussianBlur(alpha, (0, 0), max(size * rng.uniform(0.01, 0.08), 0.3))
        else:
            alpha[:] = 1
        x, y = (int(v) for v in rng.integers(0, self.side - size + 1, 2))
        place = rgb[y : y + size, x : x + size]
        place[:] = (place + alpha[..., None] * (patch.astype(np.float32) - place)).astype(np.uint8)

    def _scrambled(self, rng: np.random.Generator) -> np.ndarray:
        """A face with its parts in the wrong places."""
        row = self._row(rng)
        mesh = self.data.mesh_px[row][:, :2]
        x0, y0 = np.floor(mesh.min(0)).astype(int).clip(0, CROP_PX - 8)
        x1, y1 = np.ceil(mesh.max(0)).astype(int).clip(8, CROP_PX)
        face = cv2.resize(np.ascontiguousarray(self.data.rgb[row][y0:y1, x0:x1]), (96, 96))
        pieces = int(rng.integers(3, 5))
        cut = 96 // pieces
        order = (np.arange(pieces**2) + int(rng.integers(1, pieces**2))) % pieces**2
        rng.shuffle(order)
        result = face.copy()
        for i, j in enumerate(order):
            (a, b), (c, d) = divmod(i, pieces), divmod(int(j), pieces)
            piece = face[c * cut : (c + 1) * cut, d * cut : (d + 1) * cut]
            result[a * cut : (a + 1) * cut, b * cut : (b + 1) * cut] = piece[:: int(rng.choice([-1, 1]))]
        return result


def random_tone(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gamma, contrast and gain per channel by table; on scenes many times faster than `random_colour`."""
    ramp = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.25))
    table = ((ramp - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.08)) * np.exp(rng.normal(0, 0.08, 3))
    rgb = cv2.LUT(rgb, np.clip(table * 255, 0, 255).astype(np.uint8)[None])
    return np.repeat(rgb.mean(-1, keepdims=True).astype(np.uint8), 3, axis=-1) if rng.random() < 0.08 else rgb


def person_weights(data: FaceData, turned_gain: float = 4.0, still_share: float = 0.7) -> np.ndarray:
    """(N,) probability of each row: `still_share` for all stills together, equal for all clips, more for turned heads.

    Without stills or without clips, the others take the whole share.
    """
    gain = np.interp(np.abs(data.yaw_deg), [10, 30], [1.0, turned_gain])
    sizes = np.bincount(data.clip[~data.is_still], minlength=1) if (~data.is_still).any() else np.ones(1)
    weights = np.where(data.is_still, 1.0, 1.0 / np.maximum(sizes[np.maximum(data.clip, 0)], 1)) * gain
    for still, share in ((True, still_share), (False, 1 - still_share)):
        chosen = data.is_still == still
        if chosen.any():
            weights[chosen] *= share / weights[chosen].sum()
    return weights / weights.sum()


def _share_inside(box: np.ndarray, size: tuple[int, int]) -> float:
    area = max(float(np.prod(box[2:] - box[:2])), 1e-6)
    return _shared_area(box, np.array([0, 0, size[0], size[1]])) / area


def _shared_area(first: np.ndarray, second: np.ndarray) -> float:
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    return float(np.prod(np.maximum(high - low, 0)))


def _cover(box: np.ndarray, alpha: np.ndarray, origin: tuple[int, int]) -> float:
    """Mean over `box` of `alpha`, whose corner is at `origin`."""
    area = max(float(np.prod(box[2:] - box[:2])), 1e-6)
    x0, y0, x1, y1 = (int(v) for v in np.round(box - np.tile(origin, 2)).clip(0))
    return float(alpha[y0:y1, x0:x1].sum()) / area
