"""Every measure by name: what it is, which way is better, and which networks stand behind it."""

import dataclasses
from typing import Literal

from train.evaluate.settings import ProtocolName


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """One column of the table."""

    key: str
    """In report.json and values.csv."""
    title: str
    better: Literal["higher", "lower", ""]
    """"" is not ranked."""
    digits: int
    unit: str = ""
    networks: tuple[str, ...] = ()
    """Roles in the report's "networks"; () needs none."""
    definition: str
    truth: bool = False
    """Needs a real picture of the result, as self-reenactment has."""
    absolute: bool = False
    """Compares with the driver's own pose or expression, which relative motion does not take over."""


_TRACKED = ("detector", "tracker")

METRICS: tuple[Metric, ...] = (
    Metric(key="ssim", title="SSIM", better="higher", digits=3, truth=True, definition="11 px Gaussian window, RGB"),
    Metric(key="psnr_db", title="PSNR", better="higher", digits=2, unit="dB", truth=True, definition="per picture"),
    Metric(key="l1", title="L1", better="lower", digits=4, truth=True, definition="mean absolute difference, RGB 0-1"),
    Metric(key="mse", title="MSE", better="lower", digits=5, truth=True, definition="mean squared difference, RGB 0-1"),
    Metric(
        key="lpips",
        title="LPIPS",
        better="lower",
        digits=4,
        networks=("lpips",),
        truth=True,
        definition="version 0.1, linear layers of the lpips library",
    ),
    Metric(
        key="akd_px",
        title="AKD",
        better="lower",
        digits=2,
        unit="px",
        networks=_TRACKED,
        truth=True,
        definition="mean distance of 68 landmarks, pixels at 256",
    ),
    Metric(
        key="ace_px",
        title="ACE",
        better="lower",
        digits=2,
        unit="px",
        networks=_TRACKED,
        truth=True,
        definition="mean absolute error of the 136 coordinates, pixels at 256",
    ),
    Metric(
        key="akd_known_px",
        title="AKD, known",
        better="lower",
        digits=2,
        unit="px",
        networks=_TRACKED,
        truth=True,
        definition="the same against the known mesh of the driving picture instead of the tracked one",
    ),
    Metric(
        key="csim",
        title="CSIM",
        better="higher",
        digits=3,
        networks=(*_TRACKED, "identity"),
        definition="cosine of identity embeddings, result and source",
    ),
    Metric(
        key="csim_share",
        title="CSIM over real",
        better="higher",
        digits=2,
        networks=(*_TRACKED, "identity"),
        definition="mean CSIM over that of two real frames of the person at this turn, where both are known",
    ),
    Metric(
        key="csim_judge",
        title="CSIM (judge)",
        better="higher",
        digits=3,
        networks=(*_TRACKED, "judge"),
        definition="the same with the judge's embeddings",
    ),
    Metric(
        key="psim",
        title="PSIM",
        better="higher",
        digits=3,
        networks=_TRACKED,
        absolute=True,
        definition="cosine of (pitch, yaw, roll), result and driver",
    ),
    Metric(
        key="pose_error_deg",
        title="pose",
        better="lower",
        digits=2,
        unit="deg",
        networks=_TRACKED,
        absolute=True,
        definition="angle of the rotation between result and driver",
    ),
    Metric(
        key="pose_known_deg",
        title="pose, known",
        better="lower",
        digits=2,
        unit="deg",
        networks=_TRACKED,
        absolute=True,
        definition="the same against the known pose of the driving picture instead of the tracked one",
    ),
    Metric(
        key="ed",
        title="ED",
        better="lower",
        digits=3,
        networks=_TRACKED,
        absolute=True,
        definition="Euclidean distance of 17 Action Units, 0-1",
    ),
    Metric(
        key="au_error",
        title="AU",
        better="lower",
        digits=3,
        networks=_TRACKED,
        absolute=True,
        definition="mean absolute error of 17 Action Units, FACS 0-5",
    ),
    Metric(
        key="lsim",
        title="LSIM",
        better="lower",
        digits=5,
        networks=_TRACKED,
        absolute=True,
        definition="mean squared landmark error against a second picture of the source's person, half-sides",
    ),
    Metric(
        key="jitter_px",
        title="jitter",
        better="lower",
        digits=2,
        unit="px",
        networks=_TRACKED,
        definition="acceleration of 68 landmarks that the driver does not have, unfiltered tracker, pixels at 256",
    ),
    Metric(
        key="fid",
        title="FID",
        better="lower",
        digits=2,
        networks=("inception",),
        definition="Frechet distance of Inception's 2,048 features",
    ),
    Metric(
        key="frechet_identity",
        title="FD-identity",
        better="lower",
        digits=4,
        networks=(*_TRACKED, "identity"),
        definition="Frechet distance of the embedded identity encoder's 256 features; no FID",
    ),
    Metric(
        key="found",
        title="found",
        better="higher",
        digits=3,
        networks=_TRACKED,
        definition="share of results in which the tracker finds a face; the others are in no landmark measure",
    ),
)
"""In the order of the table."""

BY_KEY = {metric.key: metric for metric in METRICS}

SET_METRICS = ("fid", "frechet_identity")
"""Of a whole set of results, not of a pair."""


def needs_no_truth(protocol: ProtocolName) -> list[Metric]:
    """The measures that cross-reenactment can have."""
    return [metric for metric in METRICS if protocol != "cross" or not metric.truth]
