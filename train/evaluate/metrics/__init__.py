"""Measures as pure functions from tensors to one number per row.

Rows are pictures (for `temporal_jitter_px` consecutive frames). Landmarks are the 68 iBUG points in pixels of a 256 px
crop, pictures RGB in [0, 1], Action Units 0 to 1, embeddings unit vectors. The caller runs and names the networks that
find landmarks and embeddings.
"""

from reenact.types import pose_error_deg
from train.evaluate.metrics.expression import au_error, ed
from train.evaluate.metrics.frechet import frechet_distance
from train.evaluate.metrics.identity import csim
from train.evaluate.metrics.kernel import kernel_distances
from train.evaluate.metrics.landmarks import ace_px, akd_px, lsim, temporal_jitter_px
from train.evaluate.metrics.pictures import l1, mse, psnr_db, ssim
from train.evaluate.metrics.pose import psim
from train.evaluate.metrics.sharpness import sharpness_ratio
from train.evaluate.metrics.temporal import backward_flow, warp_error

__all__ = [
    "ace_px",
    "akd_px",
    "au_error",
    "backward_flow",
    "csim",
    "ed",
    "frechet_distance",
    "kernel_distances",
    "l1",
    "lsim",
    "mse",
    "pose_error_deg",
    "psim",
    "psnr_db",
    "sharpness_ratio",
    "ssim",
    "temporal_jitter_px",
    "warp_error",
]
