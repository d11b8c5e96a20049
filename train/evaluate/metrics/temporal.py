"""Whether consecutive frames fit each other, by the optical flow of the true frames."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

_CONSISTENT, _CONSISTENT_PX2 = 0.01, 0.5
"""Of the bound on the squared difference of forward and backward flow (Sundaram et al., 2010)."""

Picture = UInt8[np.ndarray, "h w 3"]


def backward_flow(before: Picture, after: Picture) -> tuple[Float[np.ndarray, "h w 2"], Bool[np.ndarray, "h w"]]:
    """Where each pixel of `after` lies in `before`, x and y in pixels, and which pixels both flows agree on.

    Dense inverse search (Kroeger et al., 2016) of OpenCV, preset medium.
    """
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (before, after)]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forward, backward = search.calc(grey[0], grey[1], None), search.calc(grey[1], grey[0], None)
    back = _sample(forward, backward)
    bound = _CONSISTENT * ((backward**2).sum(-1) + (back**2).sum(-1)) + _CONSISTENT_PX2
    height, width = grey[0].shape
    at = backward + _grid(height, width)
    inside = ((at >= 0) & (at <= (width - 1, height - 1))).all(-1)
    return backward, inside & (((backward + back) ** 2).sum(-1) < bound)


def warp_error(frames: list[Picture], flows: list[tuple[Float[np.ndarray, "h w 2"], Bool[np.ndarray, "h w"]]]) -> float:
    """Mean absolute difference of each frame and its predecessor moved along the flow, where the flow is known; 0 to 1.

    Args:
        frames: consecutive pictures.
        flows: `backward_flow` of each of them but the first, of the true frames.
    """
    errors = []
    for before, after, (flow, known) in zip(frames[:-1], frames[1:], flows, strict=True):
        moved = _sample(before.astype(np.float32), flow)
        errors.append(np.abs(after - moved)[known].mean() / 255 if known.any() else 0.0)
    return float(np.mean(errors))


def _sample(values: np.ndarray, flow: np.ndarray) -> np.ndarray:
    at = (flow + _grid(*flow.shape[:2])).astype(np.float32)
    return cv2.remap(values, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _grid(height: int, width: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
