"""Contact sheet of a system's best, median and worst pairs: source, driving frame and result side by side."""

import dataclasses
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from reenact.media.frame import Frame
from train.evaluate.bench import Bench
from train.evaluate.catalogue import BY_KEY
from train.evaluate.jobs import Job, Outcome
from train.evaluate.methods import Method
from train.evaluate.settings import PICTURE_PX

_ORDERS = (("lpips",), ("akd_px", "l1"), ("csim", "pose_error_deg", "ed"))
"""Measures that order pairs: the first group that was measured on all of them."""
_STRIP_PX = 28


def choose_pairs(outcomes: Sequence[Outcome], count: int) -> list[tuple[str, Outcome]]:
    """The best, median and worst pairs, each pair once; results without a face are the worst.

    Args:
        outcomes: pairs of one method in one mode.
        count: number of best, of median and of worst pairs.
    """
    keys = next((keys for keys in _ORDERS if _measured(outcomes, keys)), ())
    places = np.zeros(len(outcomes))
    for key in keys:
        sign = -1 if BY_KEY[key].better == "higher" else 1
        values = np.array([sign * each.values.get(key, np.inf * sign) for each in outcomes])
        places += values.argsort(kind="stable").argsort(kind="stable")
    places += [len(outcomes) * 10 * (each.values.get("found", 1.0) == 0) for each in outcomes]
    order = places.argsort(kind="stable")
    middle = max((len(order) - count) // 2, 0)
    groups = {
        "best": order[:count],
        "median": order[middle : middle + count],
        "worst": order[max(len(order) - count, 0) :],
    }
    chosen: dict[int, str] = {}
    for name, places_of in groups.items():
        for i in places_of:
            chosen.setdefault(int(i), name)
    return [(name, outcomes[i]) for i, name in chosen.items()]


def draw_sheet(bench: Bench, method: Method, jobs: Sequence[Job], outcomes: Sequence[Outcome], count: int) -> Frame:
    """The sheet of one method; its chosen pairs are drawn again."""
    job_of = {(job.source, row): (job, i) for job in jobs for i, row in enumerate(job.driving)}
    rows = [_strip("source", "driving", "result")]
    for name, outcome in choose_pairs(outcomes, count):
        job, i = job_of[outcome.source, outcome.driving]
        one = dataclasses.replace(job, driving=job.driving[i : i + 1], driving_geometry=job.driving_geometry[i : i + 1])
        result = bench.draw(one, method)[0]
        figures = [
            f"{BY_KEY[key].title} {value:.{BY_KEY[key].digits}f}"
            for key, value in outcome.values.items()
            if key in ("lpips", "ssim", "akd_px", "csim", "pose_error_deg", "ed")
        ]
        rows.append(np.concatenate([bench.frame(outcome.source), bench.frame(outcome.driving), result], axis=1))
        rows.append(_strip(f"{name}: " + "  ".join(figures) if outcome.values.get("found", 1) else f"{name}: no face"))
    return np.concatenate(rows)


def write_sheet(sheet: Frame, path: pathlib.Path) -> None:
    """Write a sheet as PNG."""
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _measured(outcomes: Sequence[Outcome], keys: tuple[str, ...]) -> bool:
    found = [each for each in outcomes if each.values.get("found", 1.0)]
    return bool(found) and all(key in each.values for each in found for key in keys)


def _strip(*texts: str) -> UInt8[np.ndarray, "rows columns 3"]:
    """A row of captions for up to three pictures."""
    strip = np.full((_STRIP_PX, 3 * PICTURE_PX, 3), 245, np.uint8)
    for i, text in enumerate(texts):
        cv2.putText(strip, text, (6 + i * PICTURE_PX, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
    return strip
