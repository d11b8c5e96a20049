"""A matte of the person, from the face parser at several scales and the picture's own edges."""

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.media.frame import Frame
from reenact.perception.crop import copy_square
from reenact.perception.parser import PARSER_CLASSES, PARSER_CROP_PX

Square = tuple[int, int, int]
"""Left, top and side, pixels of a frame."""

_WINDOWS = ((8, 256), (4, 192), (2, 160), (1, PARSER_CROP_PX))
"""Side of each window over that of the face's square, and side in pixels at which the parser sees it: a wide window
shows the body, a close one the hair. Finer windows are laid over coarser ones."""

_FADE = 0.15
"""Width, as a share of a window, over which it fades into the coarser one."""

_EDGE = 1 / 96
"""Reach of the edge filter, as a share of the face's square."""
_EDGE_NOISE = 2e-4
"""Variance of brightness up to which the edge filter sees no edge."""

_RIM = 1 / 24
"""Width, over the face's square, of the person's soft rim."""

_SURE = 0.95
"""Share of the person from which on a pixel has the person's colour alone."""


def person_matte(frame: Frame, square: Square, parser: torch.nn.Module) -> Float[np.ndarray, "height width"]:
    """Share of the person whose face is in `square`, 0 to 1.

    Args:
        frame: the picture.
        square: around the face, as systems cut it.
        parser: face parser.
    """
    height, width = frame.shape[:2]
    left, top, side = square
    matte = np.zeros((height, width), np.float32)
    is_first = True
    for times, window_px in _WINDOWS:
        window = (left + side // 2 - times * side // 2, top + side // 2 - times * side // 2, times * side)
        finer = (left - times * side // 4, top - times * side // 4, times * side // 2)
        if times > 1 and _covers(finer, width, height):
            continue
        _lay(matte, _person_in(frame, window, window_px, parser), window, fade=not is_first)
        is_first = False
    return solid(refine(keep_connected(matte, square), frame, reach=max(round(side * _EDGE), 1)), side=side)


def square_matte(rgb: UInt8[np.ndarray, "s s 3"], parser: torch.nn.Module) -> Float[np.ndarray, "s s"]:
    """The same in the face's square alone."""
    side = len(rgb)
    found = _person_in(rgb, (0, 0, side), PARSER_CROP_PX, parser)
    matte = cv2.resize(found, (side, side), interpolation=cv2.INTER_LINEAR)
    return solid(refine(keep_connected(matte, (0, 0, side)), rgb, reach=max(round(side * _EDGE), 1)), side=side)


def keep_connected(matte: Float[np.ndarray, "height width"], square: Square) -> Float[np.ndarray, "height width"]:
    """Without the parts that are not connected to the middle of the face's square."""
    left, top, side = square
    _, labels = cv2.connectedComponents((matte > 0.5).astype(np.uint8))
    rows = slice(max(top + side * 2 // 5, 0), max(top + side * 3 // 5, 0))
    columns = slice(max(left + side * 2 // 5, 0), max(left + side * 3 // 5, 0))
    kept = np.isin(labels, np.setdiff1d(np.unique(labels[rows, columns]), [0])).astype(np.uint8)
    reach = max(side // 32, 1)
    return matte * cv2.dilate(kept, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))


def refine(matte: Float[np.ndarray, "height width"], frame: Frame, *, reach: int) -> Float[np.ndarray, "height width"]:
    """The matte with its edge moved to edges of the picture (guided filter; He, Sun and Tang, 2013)."""
    guide = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    size = (2 * reach + 1, 2 * reach + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, size, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_matte = mean(guide), mean(matte)
    slope = (mean(guide * matte) - mean_guide * mean_matte) / (mean(guide * guide) - mean_guide**2 + _EDGE_NOISE)
    offset = mean_matte - slope * mean_guide
    sharp = mean(slope) * guide + mean(offset)
    return np.clip((sharp - 0.15) / 0.7, 0, 1).astype(np.float32)


def solid(matte: Float[np.ndarray, "height width"], *, side: int) -> Float[np.ndarray, "height width"]:
    """The matte without transparency inside the person: only a rim stays soft.

    The parser doubts clothes with a pattern or a shine; holes that reach the lower border of the picture at most are
    the body, too.

    Args:
        matte: share of the person.
        side: of the face's square, pixels.
    """
    _, labels = cv2.connectedComponents((matte < 0.5).astype(np.uint8))
    outside = np.unique(np.concatenate([labels[0], labels[:, 0], labels[:, -1]]))
    inside = np.pad(~np.isin(labels, np.setdiff1d(outside, [0])), 1, mode="edge").astype(np.uint8)
    depth_px = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    rim_px = max(side * _RIM, 1.0)
    return np.maximum(matte, np.clip(depth_px / rim_px - 1, 0, 1)).astype(np.float32)


def own_colours(frame: Frame, matte: Float[np.ndarray, "height width"], reach: int) -> Float[np.ndarray, "h w 3"]:
    """The picture with the background's colour removed from the person's edge, 0 to 255."""
    sure = (matte > _SURE).astype(np.float32)
    size = (4 * reach + 1, 4 * reach + 1)
    near = cv2.blur(sure, size)
    colours = frame.astype(np.float32)
    inner = cv2.blur(colours * sure[..., None], size) / np.maximum(near, 1e-3)[..., None]
    share = ((1 - matte) * (near > 1e-3))[..., None]
    return colours * (1 - share) + inner * share


@torch.inference_mode()
def _person_in(frame: Frame, window: Square, window_px: int, parser: torch.nn.Module) -> Float[np.ndarray, "n n"]:
    """Share of the person in a window of the frame that the parser sees at `window_px`."""
    square = cv2.resize(copy_square(frame, *window), (window_px, window_px), interpolation=cv2.INTER_AREA)
    device = next(parser.parameters()).device
    rgb = torch.from_numpy(square).permute(2, 0, 1)[None].to(device).float() / 255
    shares = torch.softmax(parser(rgb), 1)[0]
    return 1 - shares[PARSER_CLASSES.index("background")].cpu().numpy()


def _lay(matte: np.ndarray, found: np.ndarray, window: Square, *, fade: bool) -> None:
    """Write a window's matte into that of the frame."""
    left, top, side = window
    height, width = matte.shape
    rows = np.arange(max(top, 0), min(top + side, height))
    columns = np.arange(max(left, 0), min(left + side, width))
    scale = len(found) / side
    x, y = np.meshgrid((columns - left + 0.5) * scale - 0.5, (rows - top + 0.5) * scale - 0.5)
    values = cv2.remap(
        found, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    share = np.ones_like(values)
    if fade:
        ramp_x, ramp_y = (
            np.clip(np.minimum(at - start + 0.5, start + side - at - 0.5) / (side * _FADE), 0, 1)
            for at, start in ((columns, left), (rows, top))
        )
        share = (ramp_y[:, None] * ramp_x).astype(np.float32)
    here = matte[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    here += share * (values - here)


def _covers(window: Square, width: int, height: int) -> bool:
    left, top, side = window
    return left <= 0 and top <= 0 and left + side >= width and top + side >= height
