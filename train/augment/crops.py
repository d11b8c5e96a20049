"""Augmentation of crops that keeps their labels valid: light, colour, sharpness, noise and occluders."""

import cv2
import numpy as np


def warp_crop(rgb: np.ndarray, crop_from_frame: np.ndarray, crop_px: int, border: int) -> np.ndarray:
    """Resample `rgb` (H, W, 3) uint8 into a crop; pixel centres at +0.5, so OpenCV's matrix is shifted by half."""
    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    matrix = (shift @ crop_from_frame @ np.linalg.inv(shift))[:2]
    return cv2.warpAffine(rgb, matrix, (crop_px, crop_px), flags=cv2.INTER_LINEAR, borderMode=border)


def random_colour(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain per channel, contrast and gamma; sometimes grey or lit from one side."""
    x = rgb.astype(np.float32) / 255
    x = x ** np.exp(rng.normal(0, 0.25)) if rng.random() < 0.5 else x
    x = (x - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.08)
    x = x * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    if rng.random() < 0.08:
        x = np.repeat(x.mean(-1, keepdims=True), 3, axis=-1)
    if rng.random() < 0.2:  # side light: a ramp over the picture
        height, width = x.shape[:2]
        angle = rng.uniform(0, 2 * np.pi)
        ramp = np.linspace(-1, 1, width)[None, :] * np.cos(angle) + np.linspace(-1, 1, height)[:, None] * np.sin(angle)
        x = x * (1 + rng.uniform(0.1, 0.6) * ramp[..., None].astype(np.float32))
    return np.clip(x * 255, 0, 255).astype(np.uint8)


def random_quality(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, lower resolution, JPEG, noise."""
    height, width = rgb.shape[:2]
    if rng.random() < 0.15:
        factor = rng.uniform(0.25, 0.8)
        small = cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        rgb = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.1:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.1:
        size = int(rng.integers(2, 6)) * 2 + 1
        kernel = np.zeros((size, size), np.float32)
        kernel[size // 2] = 1 / size
        turn = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), rng.uniform(0, 180), 1)
        kernel = cv2.warpAffine(kernel, turn, (size, size))
        rgb = cv2.filter2D(rgb, -1, kernel / max(kernel.sum(), 1e-6))
    if rng.random() < 0.1:
        ok, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))])
        rgb = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else rgb
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(2, 12), rgb.shape)
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    return rgb


def random_occluder(rgb: np.ndarray, patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover part of the crop with an ellipse or box filled with a colour or with `patch` (same size)."""
    height, width = rgb.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    axes = (int(rng.uniform(0.05, 0.25) * width), int(rng.uniform(0.05, 0.25) * height))
    if rng.random() < 0.5:
        cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 360, 255, -1)
    else:
        corner = (centre[0] + axes[0], centre[1] + axes[1])
        cv2.rectangle(mask, (centre[0] - axes[0], centre[1] - axes[1]), corner, 255, -1)
    fill = patch if rng.random() < 0.5 else np.full_like(rgb, rng.integers(0, 256, 3, dtype=np.uint8))
    return np.where(mask[..., None] > 0, fill, rgb)


def random_background(
    rgb: np.ndarray, person: np.ndarray, other: np.ndarray, other_person: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Put a person before the background of another picture: a strip beside the other person, mirrored and enlarged.

    Args:
        rgb: (s, s, 3) uint8.
        person: (i, i) bool, where `rgb` shows the person.
        other: (s, s, 3) uint8, a picture whose background is taken.
        other_person: the same for `other`.
        rng: draws the strip.

    Returns:
        (s, s, 3) uint8; `rgb` itself if the other picture has no strip of a tenth of its width.
    """
    side, cells = len(rgb), len(other_person)
    high = int(rng.uniform(0.4, 1.0) * cells)
    free = ~other_person[:high].any(0)
    if rng.random() < 0.5:
        free, other = free[::-1], other[:, ::-1]
    wide = cells if free.all() else int(free.argmin())
    if wide < 0.1 * cells:
        return rgb
    strip = other[: high * side // cells, : wide * side // cells]
    zoom = rng.uniform(1, 2)
    strip = cv2.resize(strip, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)[:side, :side]
    tiled = cv2.copyMakeBorder(strip, 0, side - len(strip), 0, side - strip.shape[1], cv2.BORDER_REFLECT)
    share = cv2.GaussianBlur(cv2.resize(person.astype(np.float32), (side, side)), (0, 0), rng.uniform(0.5, 2.0))
    return np.round(tiled + share[..., None] * (rgb.astype(np.float32) - tiled)).astype(np.uint8)
