"""Contact sheet of a system's worst, median and best pairs: source, driving frame and result side by side."""

import dataclasses
import pathlib
from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from reenact.errors import ConfigError
from reenact.media.frame import Frame
from train.evaluate.bench import Bench
from train.evaluate.catalogue import BY_KEY, NOT_OF_PAIRS
from train.evaluate.jobs import Job, Outcome
from train.evaluate.methods import Method
from train.evaluate.networks import left_out
from train.evaluate.settings import PICTURE_PX, Settings

_ORDERS = (("lpips",), ("feature_distance",), ("akd_px", "l1"), ("csim", "pose_error_deg", "ed"))
"""Measures that order pairs: the first group that was measured on all of them."""
_CAPTION = ("lpips", "feature_distance", "rim_features", "silhouette_iou", "akd_px", "csim", "pose_error_deg", "ed")
_STRIP_PX = 28
_DIFFERENCE = 3
"""Factor by which the difference to the true frame is shown."""


def check_order(settings: Settings) -> None:
    """Check that pairs have values of the measures ``--sheet-by``.

    Raises:
        ConfigError: one is unknown, left out in this evaluation, or of a whole set.
    """
    reasons = left_out(settings)
    known = [each for each in BY_KEY if each not in (*NOT_OF_PAIRS, *reasons)]
    for key in settings.sheet_by:
        if key not in known:
            why = f" ({reasons[key]})" if key in reasons else ""
            raise ConfigError(f"--sheet-by {key}: pairs have no such value{why}; give one of {', '.join(known)}.")


def choose_pairs(outcomes: Sequence[Outcome], count: int, by: str = "") -> list[tuple[str, Outcome]]:
    """The worst, median and best pairs, each pair once; results without a face are the worst.

    Among the worst, every source comes once before any comes again, so that one clip does not fill the sheet.

    Args:
        outcomes: pairs of one method in one mode.
        count: number of worst, of median and of best pairs.
        by: `Metric.key` of the measure that orders them, pairs without it last; "": LPIPS, or what there is.
    """
    keys = (by,) if by else next((keys for keys in _ORDERS if _measured(outcomes, keys)), ())
    places = np.zeros(len(outcomes))
    for key in keys:
        missing = -np.inf if by else np.inf
        losses = [BY_KEY[key].loss(each.values[key]) if key in each.values else missing for each in outcomes]
        places += np.array(losses).argsort(kind="stable").argsort(kind="stable")
    if not by:
        places += [len(outcomes) * 10 * (each.values.get("found", 1.0) == 0) for each in outcomes]
    order = places.argsort(kind="stable")
    middle = max((len(order) - count) // 2, 0)
    groups = {
        "worst": _sources_in_turn([int(i) for i in order[::-1]], outcomes)[:count],
        "median": order[middle : middle + count],
        "best": order[:count],
    }
    chosen: dict[int, str] = {}
    for name, places_of in groups.items():
        for i in places_of:
            chosen.setdefault(int(i), name)
    return [(name, outcomes[i]) for i, name in chosen.items()]


def draw_sheet(
    bench: Bench, method: Method, jobs: Sequence[Job], outcomes: Sequence[Outcome], count: int, by: str = ""
) -> Frame:
    """The sheet of one method; the pairs chosen by `choose_pairs` are drawn again."""
    job_of = {(job.source, row): (job, i) for job in jobs for i, row in enumerate(job.driving)}
    rows = [_strip("source", "driving frame", "result", f"difference to a true frame x {_DIFFERENCE}")]
    for name, outcome in choose_pairs(outcomes, count, by):
        job, i = job_of[outcome.source, outcome.driving]
        one = dataclasses.replace(job, driving=job.driving[i : i + 1], driving_geometry=job.driving_geometry[i : i + 1])
        driving, result = bench.frame(outcome.driving), bench.draw(one, method)[0]
        gap = np.abs(result.astype(np.int16) - driving) * _DIFFERENCE if job.truth else np.full_like(result, 245)
        figures = [
            f"{BY_KEY[key].title} {outcome.values[key]:.{BY_KEY[key].digits}f}"
            for key in dict.fromkeys((by, *_CAPTION))
            if key in outcome.values
        ]
        pictures = [bench.frame(outcome.source), driving, result, gap.clip(0, 255).astype(np.uint8)]
        rows.append(np.concatenate(pictures, axis=1))
        rows.append(_strip(f"{name}: " + "  ".join(figures) if outcome.values.get("found", 1) else f"{name}: no face"))
    return np.concatenate(rows)


def write_sheet(sheet: Frame, path: pathlib.Path) -> None:
    """Write a sheet as PNG."""
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _measured(outcomes: Sequence[Outcome], keys: tuple[str, ...]) -> bool:
    found = [each for each in outcomes if each.values.get("found", 1.0)]
    return bool(found) and all(key in each.values for each in found for key in keys)


def _sources_in_turn(order: Sequence[int], outcomes: Sequence[Outcome]) -> list[int]:
    """The same, but a pair comes after all those whose source came less often before them."""
    seen: Counter[int] = Counter()
    turns = []
    for i in order:
        turns.append(seen[outcomes[i].source])
        seen[outcomes[i].source] += 1
    return [order[i] for i in np.argsort(turns, kind="stable")]


def _strip(*texts: str) -> UInt8[np.ndarray, "rows columns 3"]:
    """A row of captions for up to four pictures."""
    strip = np.full((_STRIP_PX, 4 * PICTURE_PX, 3), 245, np.uint8)
    for i, text in enumerate(texts):
        cv2.putText(strip, text, (6 + i * PICTURE_PX, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
    return strip
