"""Pictures without a face: backgrounds of portraits, patterns, and pictures of scikit-image."""

import pathlib
from collections.abc import Callable

import cv2
import numpy as np

from reenact.ops.fill import fill_smoothly
from reenact.portrait.matte import BACKGROUND, FACE, HAIR
from train.data.faces import FaceData

BUNDLED_TRAIN = ("coffee", "motorcycle_left", "grass", "brick", "page", "rocket", "ihc", "clock_motion")
"""Faceless pictures inside the scikit-image package, for training."""
BUNDLED_VAL = (
    "chelsea coins text hubble_deep_field gravel moon retina cell horse chessboard_RGB logo motorcycle_right".split()
)
"""The same for counting false alarms, with other subjects, a cat among them."""


def remove_person(
    rgb: np.ndarray, parsing: np.ndarray, mesh_px: np.ndarray, *, keep_clothes: bool, filling: np.ndarray | None = None
) -> np.ndarray:
    """The picture with its person painted over.

    Args:
        rgb: (256, 256, 3) uint8.
        parsing: (128, 128) classes of `PARSING_CLASSES`.
        mesh_px: (478, d) mesh, pixels of `rgb`.
        keep_clothes: remove only the head.
        filling: picture for the hole, (256, 256, 3); None continues the surroundings smoothly.
    """
    low, high = mesh_px[:, :2].min(0) / 2, mesh_px[:, :2].max(0) / 2
    middle, half = (low + high) / 2, (high - low) * np.array([0.65, 0.72])
    head = np.zeros(parsing.shape, np.uint8)
    x0, y0 = np.floor(middle - half).astype(int).clip(0)
    x1, y1 = np.ceil(middle + half).astype(int).clip(0)
    head[y0:y1, x0:x1] = 1
    gone = head | np.isin(parsing, (FACE, HAIR)).astype(np.uint8)
    if not keep_clothes:
        gone |= (parsing != BACKGROUND).astype(np.uint8)
    gone = cv2.dilate(gone, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11)))
    hole = cv2.resize(gone, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    filled = fill_smoothly(rgb, hole) if filling is None else filling
    soft = cv2.GaussianBlur(cv2.resize(gone, rgb.shape[1::-1]).astype(np.float32), (0, 0), 2)[..., None]
    return (rgb * (1 - soft) + filled * soft).astype(np.uint8)


def stretch_surroundings(rgb: np.ndarray, parsing: np.ndarray) -> np.ndarray | None:
    """The wider strip beside the person as a picture; None if both are narrower than a sixth of the width."""
    free = ~(cv2.dilate((parsing != BACKGROUND).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0).any(0)
    left = int(np.argmin(free)) if not free.all() else len(free)
    right = int(np.argmin(free[::-1]))
    strip = rgb[:, : 2 * left] if left >= right else rgb[:, rgb.shape[1] - 2 * right :]
    return strip if strip.shape[1] >= rgb.shape[1] // 6 else None


def make_backgrounds(data: FaceData, count: int, seed: int) -> list[np.ndarray]:
    """The `count` faceless pictures with the most texture, made from `data`.

    In turns: a strip beside the person, the head painted over, the whole person painted over, and the head replaced by
    a part of another such picture.
    """
    rng = np.random.default_rng(seed)
    stills = np.flatnonzero(data.is_still & data.has_parsing)
    firsts = np.array([first for first, _ in data.clip_ranges], int)
    pictures: list[np.ndarray] = []
    for i, row in enumerate(np.concatenate([rng.permutation(stills), firsts])):
        rgb, parsing = np.asarray(data.rgb[row]), np.asarray(data.parsing[row])
        strip = stretch_surroundings(rgb, parsing) if i % 4 == 0 else None
        if strip is None:
            other = random_window(pictures[int(rng.integers(len(pictures)))], 256, rng) if i % 4 == 3 else None
            strip = remove_person(rgb, parsing, data.mesh_px[row], keep_clothes=i % 4 in (1, 3), filling=other)
        pictures.append(np.ascontiguousarray(strip))
    return sorted(pictures, key=_texture, reverse=True)[:count]


def _texture(picture: np.ndarray) -> float:
    """Mean square root of the absolute Laplacian: low for plain areas and smooth ramps."""
    grey = cv2.cvtColor(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return float(np.sqrt(np.abs(cv2.Laplacian(grey, cv2.CV_32F))).mean())


def read_bundled(names: tuple[str, ...] | list[str]) -> list[np.ndarray]:
    """Faceless RGB pictures of scikit-image; [] if it is not installed."""
    try:
        import skimage
    except ImportError:
        return []
    folder = pathlib.Path(skimage.__file__).parent / "data"
    paths = [path for name in names for path in sorted(folder.glob(f"{name}.*")) if path.suffix in (".png", ".jpg")]
    pictures = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in paths]
    return [cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) for picture in pictures if picture is not None]


def random_window(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A part of `picture`, mirrored at random, as (side, side, 3)."""
    height, width = picture.shape[:2]
    share = rng.uniform(0.35, 1.0)
    h, w = max(int(height * share), 2), max(int(width * share * rng.uniform(0.7, 1.0)), 2)
    y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    part = picture[y : y + h, x : x + w]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    smaller = min(h, w) > side
    return cv2.resize(
        np.ascontiguousarray(part), (side, side), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )


def random_pattern(side: int, rng: np.random.Generator) -> np.ndarray:
    """A plain colour, gradient, cloud, stripes, shapes or lettering, (side, side, 3) uint8."""
    return _PATTERNS[int(rng.integers(len(_PATTERNS)))](side, rng)


def _colour(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.3:  # tones of skin and wood, so that colour alone does not identify a face
        return np.clip(np.array([200, 150, 120]) * rng.uniform(0.3, 1.25) + rng.normal(0, 10, 3), 0, 255)
    return rng.uniform(0, 255, 3)


def _gradient(side: int, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(0, 1, side)[None] * np.cos(angle) + np.linspace(0, 1, side)[:, None] * np.sin(angle)
    ramp = ((ramp - ramp.min()) / max(np.ptp(ramp), 1e-6))[..., None]
    return (_colour(rng) * ramp + _colour(rng) * (1 - ramp)).astype(np.uint8)


def _cloud(side: int, rng: np.random.Generator) -> np.ndarray:
    picture = np.zeros((side, side, 3), np.float32)
    decay = rng.uniform(0.4, 0.9)
    for octave in range(1, 7):
        cells = min(2**octave, side)
        noise = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        if rng.random() < 0.5:
            noise[:] = noise[..., :1]
        picture += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC) * decay**octave
    picture = picture / max(float(picture.std()), 1e-6) * rng.uniform(10, 60) + _colour(rng)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _stripes(side: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:side, :side].astype(np.float32)
    phases = []
    for _ in range(int(rng.integers(1, 3))):
        angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(4), np.log(side / 2)))
        phases.append(np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period + rng.uniform(0, 6)))
    wave = np.prod(phases, axis=0)[..., None]
    share = (wave > 0) if rng.random() < 0.5 else (wave + 1) / 2
    return (_colour(rng) * share + _colour(rng) * (1 - share)).astype(np.uint8)


def _shapes(side: int, rng: np.random.Generator) -> np.ndarray:
    picture = _gradient(side, rng)
    for _ in range(int(rng.integers(3, 40))):
        colour = tuple(float(c) for c in _colour(rng))
        x, y = (int(v) for v in rng.integers(0, side, 2))
        a, b = (int(v) for v in np.exp(rng.uniform(np.log(2), np.log(side / 3), 2)))
        thickness = -1 if rng.random() < 0.7 else int(rng.integers(1, 4))
        kind = rng.integers(3)
        if kind == 0:
            cv2.ellipse(picture, (x, y), (a, b), rng.uniform(0, 180), 0, 360, colour, thickness, cv2.LINE_AA)
        elif kind == 1:
            cv2.rectangle(picture, (x, y), (x + a, y + b), colour, thickness)
        else:
            cv2.line(picture, (x, y), (x + a, y + b * int(rng.choice([-1, 1]))), colour, int(rng.integers(1, 6)))
    return picture


def _lettering(side: int, rng: np.random.Generator) -> np.ndarray:
    picture = _gradient(side, rng)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;()8oO"))
    for _ in range(int(rng.integers(1, 12))):
        text = "".join(rng.choice(letters, int(rng.integers(2, 20))))
        place = (int(rng.integers(-side // 4, side)), int(rng.integers(0, side)))
        colour = tuple(float(c) for c in _colour(rng))
        size = float(np.exp(rng.uniform(np.log(0.3), np.log(4))))
        cv2.putText(picture, text, place, int(rng.integers(0, 8)), size, colour, max(int(size * 2), 1), cv2.LINE_AA)
    return picture


_PATTERNS: list[Callable[[int, np.random.Generator], np.ndarray]] = [
    _gradient, _cloud, _cloud, _stripes, _shapes, _shapes, _lettering,
]  # fmt: skip
