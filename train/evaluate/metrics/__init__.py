"""What is measured: pure functions, tensors in, one number per row out.

Rows are pictures (or, for `temporal_jitter_px`, a run of pictures). Landmarks are the 68 iBUG points in pixels of a
256 px crop, pictures RGB in [0, 1], Action Units 0 to 1, embeddings of unit length. Nothing here loads a network: which
one found the landmarks or made the embedding is for the caller to say, since a figure means nothing without it.
"""

from train.evaluate.metrics.expression import au_error, ed
from train.evaluate.metrics.frechet import frechet_distance
from train.evaluate.metrics.identity import csim
from train.evaluate.metrics.landmarks import ace_px, akd_px, lsim, temporal_jitter_px
from train.evaluate.metrics.pictures import l1, mse, psnr_db, ssim
from train.evaluate.metrics.pose import pose_error_deg, psim

__all__ = [
    "ace_px",
    "akd_px",
    "au_error",
    "csim",
    "ed",
    "frechet_distance",
    "l1",
    "lsim",
    "mse",
    "pose_error_deg",
    "psim",
    "psnr_db",
    "ssim",
    "temporal_jitter_px",
]
