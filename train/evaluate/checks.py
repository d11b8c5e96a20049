"""Checks that need no pairs: no motion gives the source back, large faces stay sharp, still clips do not jitter."""

import math

import cv2
import numpy as np
import torch

from reenact.errors import NoFaceFoundError
from reenact.media.frame import Frame
from reenact.perception.video import VideoTracker
from reenact.systems.base import Reenactor
from reenact.types import FaceGeometry, FaceImage
from train.data.faces import FaceData
from train.evaluate.bench import Bench
from train.evaluate.methods import SystemMethod

_LARGE = 8
"""Factor by which 256 px crops are enlarged: to 2,048 px, with a face of about 1,024 px."""
_TURN_DEG = 3.0
_GRAIN = 24.0
"""Standard deviation, in grey levels, of the grain added to an enlarged picture."""
_NOISE = 2.5
"""Standard deviation of sensor noise, in grey levels."""
_WINDOWS = ((50, 0), (280, 0), (10, -120))
"""Mesh point and vertical offset in pixels: both cheeks, and the hair line above the forehead."""
_WINDOW_PX = 80


@torch.inference_mode()
def run_checks(bench: Bench, *, stills: int = 24, jitter_stills: int = 8) -> dict[str, dict[str, float]]:
    """All checks, by label of the system, and those of the tracker under "tracker".

    Args:
        bench: its systems are checked on stills of its data, or on first frames of clips if it has no stills.
        stills: pictures for the checks of systems, spread over the data.
        jitter_stills: pictures for the jitter.
    """
    found = {
        method.label: check_system(method.system, bench, spread_rows(bench.data, stills))
        for method in bench.methods
        if isinstance(method, SystemMethod)
    }
    return found | {"tracker": check_jitter(bench, spread_rows(bench.data, jitter_stills))}


def check_system(system: Reenactor, bench: Bench, rows: list[int]) -> dict[str, float]:
    """Difference to the source without motion, and detail of a large face after a small rotation."""
    psnr_db: list[float] = []
    sharpness: list[float] = []
    for row in rows:
        try:
            geometry = bench.networks.tracker.track(bench.frame(row))
        except NoFaceFoundError:
            continue
        frame = enlarge(bench.frame(row), row)
        scaled = geometry.moved_by(torch.diag(torch.tensor([float(_LARGE), float(_LARGE), 1.0])))
        rgb = torch.from_numpy(frame).permute(2, 0, 1)[None].float().to(bench.device) / 255
        image = FaceImage(rgb=rgb, crop_from_frame=torch.eye(3)[None].to(bench.device))
        identity = system.encode_identity(image, scaled)
        motion = system.read_motion(None, scaled)
        still = system.render(identity, system.retarget(identity, motion, motion, "relative")).rgb
        psnr_db.append(float(-10 * (still - rgb).square().mean().clamp(min=1e-10).log10()))
        turned = system.read_motion(None, scaled.moved_by(turn_about(_TURN_DEG, frame.shape[0] / 2)))
        moved = system.render(identity, system.retarget(identity, turned, motion, "relative")).rgb
        sharpness += compare_detail(frame, _to_frame(moved), scaled)
    if not psnr_db:
        return {}
    return {
        "pictures": len(psnr_db),
        "all-zero relative motion, PSNR dB": float(np.mean(psnr_db)),
        "all-zero relative motion, worst PSNR dB": float(np.min(psnr_db)),
        "sharpness at a 1,024 px face, share of the source's": float(np.mean(sharpness)),
        "sharpness at a 1,024 px face, 10th percentile": float(np.percentile(sharpness, 10)),
    }


def check_jitter(bench: Bench, rows: list[int], frames: int = 20) -> dict[str, float]:
    """Movement of the tracked mesh in a clip of one still picture under sensor noise, in pixels at 256."""
    spread: dict[str, list[float]] = {"filtered": [], "raw": []}
    rng = np.random.default_rng(0)
    for row in rows:
        picture = bench.frame(row)
        noise = rng.normal(0, _NOISE, (frames, *picture.shape))
        noisy = np.clip(picture[None] + noise, 0, 255).round().astype(np.uint8)
        for name in spread:
            following = VideoTracker(bench.networks.tracker, fps=25.0, smoothing=name == "filtered")
            found = [face for frame in noisy if (face := following.update(frame)) is not None]
            if len(found) > frames // 2:
                mesh = FaceGeometry.cat(found).mesh_px[frames // 4 :, :, :2]
                spread[name].append(float((mesh - mesh.mean(0)).square().sum(-1).mean().sqrt()))
    return {f"jitter on a still clip, {name}, px": float(np.mean(each)) for name, each in spread.items() if each}


def spread_rows(data: FaceData, count: int) -> list[int]:
    """Rows of stills spread over the data, or of first frames of clips if it has no stills."""
    rows = np.flatnonzero(data.is_still)
    if not len(rows):
        rows = np.array([first for first, _ in data.clip_ranges])
    return rows[:: max(len(rows) // count, 1)].tolist()


def enlarge(frame: Frame, seed: int) -> Frame:
    """The picture enlarged 8 times, with added grain as fine detail."""
    side = _LARGE * frame.shape[0]
    large = cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, _GRAIN, (side, side, 1)), (0, 0), 0.8)
    return np.clip(large + grain[..., None], 0, 255).astype(np.uint8)


def compare_detail(before: Frame, after: Frame, geometry: FaceGeometry) -> list[float]:
    """Variance of the Laplacian around points of the face, after divided by before."""
    shares = []
    for point, up_px in _WINDOWS:
        x, y = (int(value) for value in geometry.mesh_px[0, point, :2])
        window = np.s_[max(y + up_px - _WINDOW_PX, 0) : y + up_px + _WINDOW_PX, max(x - _WINDOW_PX, 0) : x + _WINDOW_PX]
        shares.append(laplacian_variance(after[window]) / max(laplacian_variance(before[window]), 1e-6))
    return shares


def laplacian_variance(rgb: Frame) -> float:
    """Amount of fine detail in a picture."""
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), cv2.CV_32F).var())


def turn_about(degrees: float, centre: float) -> torch.Tensor:
    """(3, 3) rotation of a picture about a point on its diagonal."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor(
        [[c, -s, centre - c * centre + s * centre], [s, c, centre - s * centre - c * centre], [0.0, 0.0, 1.0]]
    )


def _to_frame(rgb: torch.Tensor) -> Frame:
    return (rgb[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
