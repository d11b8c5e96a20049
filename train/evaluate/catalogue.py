"""All measures: definition, better direction, and networks used."""

import dataclasses
from typing import Literal

Better = Literal["higher", "lower", "one"]
"""Which values are better; one: those near 1."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """One column of the table."""

    key: str
    """Name in report.json and values.csv."""
    title: str
    better: Better
    digits: int
    unit: str
    networks: tuple[str, ...]
    """Roles in the "networks" of the report."""
    definition: str
    truth: bool = False
    """Needs a real picture of the result, as in self-reenactment."""
    absolute: bool = False
    """Compares with the driver's pose or expression, which relative motion does not copy."""

    def loss(self, value: float) -> float:
        """Smaller for better values."""
        return {"higher": -value, "lower": value, "one": abs(value - 1)}[self.better]


TRACKED = ("detector", "tracker")
IDENTITY = (*TRACKED, "identity")
FEATURES = ("efficientnet",)
OUTLINE = ("parser", *TRACKED)
PARTS = (*TRACKED, *FEATURES)


def _look(
    key: str, title: str, better: Better, digits: int, networks: tuple[str, ...], definition: str, unit: str = ""
) -> Metric:
    return Metric(key, title, better, digits, unit, networks, definition, truth=True)


LOOKS: tuple[Metric, ...] = (
    _look("feature_distance", "feature distance", "lower", 3, FEATURES, "squared, of unit features, whole picture"),
    _look("silhouette_iou", "silhouette IoU", "higher", 3, OUTLINE, "overlap of the person, outside the true face"),
    _look("silhouette_iou_turned", "silhouette IoU, turned", "higher", 3, OUTLINE, "turns of 10 to 30 degrees"),
    _look("head_iou", "head IoU", "higher", 3, OUTLINE, "overlap of face and hair, outside the true face"),
    _look("head_iou_turned", "head IoU, turned", "higher", 3, OUTLINE, "turns of 10 to 30 degrees"),
    _look(
        "old_head_percent", "old head", "lower", 2, ("parser",), "largest piece where the true frame has no head", "%"
    ),
    _look("old_head_share", "old head seen", "lower", 3, ("parser",), "share of results with a piece over 0.1 %"),
    _look("rim_features", "rim features", "lower", 3, ("parser", *FEATURES), "feature distance around the true head"),
    _look("rim_sharpness", "rim sharpness", "one", 2, ("parser",), "Laplacian energy there over the true frame's"),
    _look("mouth_features", "mouth features", "lower", 3, PARTS, "feature distance of aligned mouth crops"),
    _look("mouth_sharpness", "mouth sharpness", "one", 2, TRACKED, "Laplacian energy over the true frame's"),
    _look("mouth_luma", "luma in open lips", "lower", 1, TRACKED, "absolute difference to the true frame's, 0-255"),
    _look("teeth_shown", "teeth shown", "higher", 3, TRACKED, "share of the true frames with teeth"),
    _look("eye_features", "eye features", "lower", 3, PARTS, "feature distance of aligned eye crops"),
    _look("eye_sharpness", "eye sharpness", "one", 2, TRACKED, "Laplacian energy over the true frame's"),
    _look(
        "lid_slope_right", "lid slope, right", "one", 2, TRACKED, "of the change of eye opening against the true one"
    ),
    _look("lid_slope_left", "lid slope, left", "one", 2, TRACKED, "the same, left eye"),
    _look("lid_correlation_right", "lid correlation, right", "higher", 2, TRACKED, "of the same changes"),
    _look("lid_correlation_left", "lid correlation, left", "higher", 2, TRACKED, "of the same changes"),
    _look("blink_gap", "blink gap", "lower", 3, TRACKED, "absolute difference of eye opening in blinks"),
    _look("winks_kept", "winks kept", "higher", 2, TRACKED, "share of the true frames' one-sided closures"),
)
"""Measures that compare the picture with a true photograph's: outline, rim, mouth and eyes (`looks`)."""

METRICS: tuple[Metric, ...] = (
    Metric("ssim", "SSIM", "higher", 3, "", (), "11 px Gaussian window, RGB", truth=True),
    Metric("psnr_db", "PSNR", "higher", 2, "dB", (), "per picture", truth=True),
    Metric("l1", "L1", "lower", 4, "", (), "mean absolute difference, RGB 0-1", truth=True),
    Metric("mse", "MSE", "lower", 5, "", (), "mean squared difference, RGB 0-1", truth=True),
    Metric("lpips", "LPIPS", "lower", 4, "", ("lpips",), "version 0.1, layers of the lpips library", truth=True),
    *LOOKS,
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
    Metric("warp_error", "warp error", "lower", 2, "", (), "change along the flow over the true one", truth=True),
    Metric("kid", "KID (EfficientNet-Lite0)", "lower", 2, "x 1000", FEATURES, "unbiased squared MMD, cubic kernel"),
    Metric("fid", "FID", "lower", 2, "", ("inception",), "Frechet distance of Inception's 2,048 features"),
    Metric(
        "frechet_identity", "FD-identity", "lower", 4, "", IDENTITY, "Frechet distance of identity features; not FID"
    ),
    Metric("found", "found", "higher", 3, "", TRACKED, "results with a face; the others have no landmark measure"),
)
"""In the order of the table."""

BY_KEY = {metric.key: metric for metric in METRICS}

FRECHET = ("fid", "frechet_identity")
"""Fréchet distances: measures of a whole set of results instead of a pair."""

NOT_OF_PAIRS = (
    *(*FRECHET, "kid", "lsim", "jitter_px", "warp_error", "csim_share"),
    *(f"lid_{kind}_{side}" for kind in ("slope", "correlation") for side in ("right", "left")),
)
"""Measures without a value for each pair."""

READINGS = tuple(f"eye_{side}{of}" for of in ("", "_true", "_source") for side in ("right", "left"))
"""Values that are no measure themselves: eye openings, height over width, of result, true frame and source."""
