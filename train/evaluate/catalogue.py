"""All measures: definition, better direction, and networks used."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Metric:
    """One column of the table."""

    key: str
    """Name in report.json and values.csv."""
    title: str
    better: Literal["higher", "lower"]
    digits: int
    unit: str
    networks: tuple[str, ...]
    """Roles in the "networks" of the report."""
    definition: str
    truth: bool = False
    """Needs a real picture of the result, as in self-reenactment."""
    absolute: bool = False
    """Compares with the driver's pose or expression, which relative motion does not copy."""


TRACKED = ("detector", "tracker")
IDENTITY = (*TRACKED, "identity")

METRICS: tuple[Metric, ...] = (
    Metric("ssim", "SSIM", "higher", 3, "", (), "11 px Gaussian window, RGB", truth=True),
    Metric("psnr_db", "PSNR", "higher", 2, "dB", (), "per picture", truth=True),
    Metric("l1", "L1", "lower", 4, "", (), "mean absolute difference, RGB 0-1", truth=True),
    Metric("mse", "MSE", "lower", 5, "", (), "mean squared difference, RGB 0-1", truth=True),
    Metric("lpips", "LPIPS", "lower", 4, "", ("lpips",), "version 0.1, layers of the lpips library", truth=True),
    Metric("akd_px", "AKD", "lower", 2, "px", TRACKED, "mean distance of 68 landmarks, pixels at 256", truth=True),
    Metric("ace_px", "ACE", "lower", 2, "px", TRACKED, "mean error of the 136 coordinates, pixels at 256", truth=True),
    Metric("akd_known_px", "AKD, known", "lower", 2, "px", TRACKED, "AKD to the driver's known mesh", truth=True),
    Metric("csim", "CSIM", "higher", 3, "", IDENTITY, "cosine of identity embeddings, result and source"),
    Metric("csim_share", "CSIM over real", "higher", 2, "", IDENTITY, "CSIM over that of two real frames"),
    Metric("csim_judge", "CSIM (judge)", "higher", 3, "", (*TRACKED, "judge"), "the same with the judge's embeddings"),
    Metric("psim", "PSIM", "higher", 3, "", TRACKED, "cosine of (pitch, yaw, roll), result and driver", absolute=True),
    Metric("pose_error_deg", "pose", "lower", 2, "deg", TRACKED, "angle between result and driver", absolute=True),
    Metric("pose_known_deg", "pose, known", "lower", 2, "deg", TRACKED, "angle to the known pose", absolute=True),
    Metric("ed", "ED", "lower", 3, "", TRACKED, "Euclidean distance of 17 Action Units, 0-1", absolute=True),
    Metric("au_error", "AU", "lower", 3, "", TRACKED, "mean error of 17 Action Units, FACS 0-5", absolute=True),
    Metric("lsim", "LSIM", "lower", 5, "", TRACKED, "landmark MSE to a second picture", absolute=True),
    Metric("jitter_px", "jitter", "lower", 2, "px", TRACKED, "landmark acceleration not in the driver, px"),
    Metric("fid", "FID", "lower", 2, "", ("inception",), "Frechet distance of Inception's 2,048 features"),
    Metric(
        "frechet_identity", "FD-identity", "lower", 4, "", IDENTITY, "Frechet distance of identity features; not FID"
    ),
    Metric("found", "found", "higher", 3, "", TRACKED, "results with a face; the others have no landmark measure"),
)
"""In the order of the table."""

BY_KEY = {metric.key: metric for metric in METRICS}

SET_METRICS = ("fid", "frechet_identity")
"""Measures of a whole set of results instead of a pair."""
