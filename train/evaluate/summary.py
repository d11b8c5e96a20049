"""Summarises outcomes as rows of a table: means, intervals, bins, ranks and paired gains."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from reenact.systems.base import MotionMode
from train.data.faces import FaceData
from train.evaluate.bootstrap import LEVEL, Estimate, bootstrap_mean
from train.evaluate.catalogue import BY_KEY, FRECHET, METRICS
from train.evaluate.jobs import REAL, Outcome
from train.evaluate.metrics import frechet_distance, kernel_distances
from train.evaluate.metrics.parts import lid_correlation, lid_slope
from train.evaluate.profiled_pairs import ALL_RENDERED, DIRECTIONS, PHOTOGRAPHS, RENDERED
from train.evaluate.settings import TURN_BINS_DEG, YAW_BINS_DEG

Bins = tuple[tuple[float, float], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One method in one mode of motion."""

    label: str
    mode: MotionMode
    metrics: dict[str, Estimate]
    by_yaw: dict[str, dict[str, Estimate]]
    """By bin of the driving frame's yaw; {} for a bin without pairs."""
    by_turn: dict[str, dict[str, Estimate]]
    """By bin of the difference of yaw between source and driving frame."""
    by_direction: dict[str, dict[str, dict[str, Estimate]]]
    """By direction of `profiled_pairs`, then by bin of the larger yaw of source and driving frame; {} otherwise."""
    mean_rank: float | None
    """Over the measures of all methods of this mode; None for the real frames."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gain:
    """Paired differences of a method and a baseline."""

    label: str
    over: str
    mode: MotionMode
    metrics: dict[str, Estimate]
    """Method minus baseline."""


def summarise(outcomes: Sequence[Outcome], labels: Sequence[str], data: FaceData, draws: int) -> list[Row]:
    """A row for every method and mode, the best mean rank first; the real frames last, if they have values."""
    rows = []
    for mode in ("absolute", "relative"):
        of_mode = [each for each in outcomes if each.mode == mode]
        if not of_mode:
            continue
        real = [each for each in of_mode if each.method == REAL]
        unranked = [
            _row(label, mode, [each for each in of_mode if each.method == label], real, data, draws) for label in labels
        ]
        ranks = mean_ranks([row.metrics for row in unranked])
        ranked = [dataclasses.replace(row, mean_rank=rank) for row, rank in zip(unranked, ranks, strict=True)]
        rows += sorted(ranked, key=lambda row: row.mean_rank or 0.0)
        if any(each.values for each in real):
            rows.append(_row(REAL, mode, real, real, data, draws))
    return rows


def gains(
    outcomes: Sequence[Outcome], systems: Sequence[str], baselines: Sequence[str], data: FaceData, draws: int
) -> list[Gain]:
    """Gains of every system over every baseline."""
    found = []
    for mode in ("absolute", "relative"):
        pairs = {
            (each.method, each.source, each.driving): each
            for each in outcomes
            if each.mode == mode and each.kind == "pair" and each.direction not in PHOTOGRAPHS
        }
        for label in systems if pairs else ():
            for over in baselines:
                differences = [
                    _difference(each, pairs[over, each.source, each.driving])
                    for (method, *_), each in pairs.items()
                    if method == label and (over, each.source, each.driving) in pairs
                ]
                found.append(Gain(label=label, over=over, mode=mode, metrics=_estimates(differences, data, draws)))
    return found


def mean_ranks(rows: Sequence[dict[str, Estimate]]) -> list[float | None]:
    """Mean rank of each row over the measures that all rows have; ties share a rank. None without such measures."""
    shared = [metric for metric in METRICS if all(metric.key in row for row in rows)]
    if not shared or not rows:
        return [None] * len(rows)
    places = np.zeros(len(rows))
    for metric in shared:
        # rounded as printed, so that equal figures in the table are ties
        values = np.array([metric.loss(round(row[metric.key].mean, metric.digits)) for row in rows])
        places += [1 + (values < value).sum() + ((values == value).sum() - 1) / 2 for value in values]
    return [float(place) for place in places / len(shared)]


def bin_name(low: float, high: float) -> str:
    """Name of a bin in tables."""
    return f"{low:g}-{high:g}"


def in_bin(angle_deg: np.ndarray, low: float, high: float, bins: Bins) -> np.ndarray:
    """Which angles are in a bin; the last bin has no upper end."""
    return (angle_deg >= low) & ((angle_deg < high) | (high == bins[-1][1]))


def _row(label: str, mode: MotionMode, own: list[Outcome], real: list[Outcome], data: FaceData, draws: int) -> Row:
    directions = _by_direction(own, [] if label == REAL else real, data, draws)
    own = [each for each in own if each.direction not in PHOTOGRAPHS]
    pairs = [each for each in own if each.kind == "pair"]
    yaw = np.array([abs(data.yaw_deg[each.driving]) for each in pairs])
    turn = np.array([abs(data.yaw_deg[each.driving] - data.yaw_deg[each.source]) for each in pairs])
    metrics = _estimates(own, data, draws) | _lids(pairs) | _kernel_distance(pairs, real)
    for key in FRECHET if label != REAL else ():
        result = [each.features[key] for each in pairs if key in each.features]
        reference = [each.features[key] for each in real if key in each.features]
        if len(result) > 1 and len(reference) > 1:
            distance = frechet_distance(*(torch.from_numpy(np.stack(features)) for features in (result, reference)))
            metrics[key] = _without_interval(distance, len(result))
    return Row(
        label=label,
        mode=mode,
        metrics=metrics,
        by_yaw=_by_bin(pairs, yaw, YAW_BINS_DEG, data, draws),
        by_turn=_by_bin(pairs, turn, TURN_BINS_DEG, data, draws),
        by_direction=directions,
        mean_rank=None,
    )


def _lids(pairs: list[Outcome]) -> dict[str, Estimate]:
    """Slope and correlation of the lids' changes against the source, of each side, over all pairs."""
    found: dict[str, Estimate] = {}
    having = [each.values for each in pairs if "eye_right_source" in each.values]
    for side in ("right", "left") if len(having) > 1 else ():
        drawn, true, source = (
            torch.tensor([values[f"eye_{side}{of}"] for values in having]) for of in ("", "_true", "_source")
        )
        for kind, measure in (("slope", lid_slope), ("correlation", lid_correlation)):
            value = measure(true - source, drawn - source)
            if np.isfinite(value):
                found[f"lid_{kind}_{side}"] = _without_interval(value, len(having))
    return found


def _kernel_distance(pairs: list[Outcome], real: list[Outcome]) -> dict[str, Estimate]:
    """KID of the results against the real pictures of the same pairs; its interval is that of its subsets."""
    of_pair = {_pair_of(each): each.features["kid"] for each in real if "kid" in each.features}
    both = [
        (each.features["kid"], of_pair[_pair_of(each)])
        for each in pairs
        if "kid" in each.features and _pair_of(each) in of_pair
    ]
    if len(both) < 4:
        return {}
    result, reference = (torch.from_numpy(np.stack(features)) for features in zip(*both, strict=True))
    distances = 1000 * kernel_distances(result, reference)
    low, high = np.percentile(distances, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return {"kid": Estimate(mean=float(distances.mean()), low=float(low), high=float(high), count=len(both))}


def _without_interval(value: float, count: int) -> Estimate:
    return Estimate(mean=value, low=None, high=None, count=count)


def _by_direction(
    own: list[Outcome], real: list[Outcome], data: FaceData, draws: int
) -> dict[str, dict[str, dict[str, Estimate]]]:
    real_csim = {_pair_of(each): each.values["csim"] for each in real if "csim" in each.values}
    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    for direction in (ALL_RENDERED, *DIRECTIONS):
        members = RENDERED if direction == ALL_RENDERED else (direction,)
        pairs = [each for each in own if each.direction in members]
        yaw = np.array([max(abs(data.yaw_deg[row]) for row in (each.source, each.driving)) for each in pairs])
        if not pairs:
            continue
        found[direction] = _by_bin(pairs, yaw, YAW_BINS_DEG, data, draws)
        for low, high in YAW_BINS_DEG:
            inside = in_bin(yaw, low, high, YAW_BINS_DEG)
            both = [
                (each.values["csim"], real_csim[_pair_of(each)])
                for each, included in zip(pairs, inside, strict=True)
                if included and "csim" in each.values and _pair_of(each) in real_csim
            ]
            if both and (real_mean := float(np.mean(both, axis=0)[1])) > 0:
                share = float(np.mean(both, axis=0)[0]) / real_mean
                found[direction][bin_name(low, high)]["csim_share"] = _without_interval(share, len(both))
    return found


def _pair_of(outcome: Outcome) -> tuple[str, int, int]:
    return outcome.direction, outcome.source, outcome.driving


def _by_bin(
    pairs: list[Outcome], angle_deg: np.ndarray, bins: Bins, data: FaceData, draws: int
) -> dict[str, dict[str, Estimate]]:
    named = {}
    for low, high in bins:
        inside = in_bin(angle_deg, low, high, bins) if len(pairs) else []
        named[bin_name(low, high)] = _estimates(
            [each for each, included in zip(pairs, inside, strict=True) if included], data, draws
        )
    return named


def _estimates(outcomes: Sequence[Outcome], data: FaceData, draws: int) -> dict[str, Estimate]:
    estimates = {}
    for key in BY_KEY:
        having = [each for each in outcomes if key in each.values]
        if having:
            values = np.array([each.values[key] for each in having])
            estimates[key] = bootstrap_mean(values, _people(having, data), draws)
    return estimates


def _difference(first: Outcome, second: Outcome) -> Outcome:
    shared = first.values.keys() & second.values.keys()
    return dataclasses.replace(first, values={key: first.values[key] - second.values[key] for key in shared})


def _people(outcomes: Sequence[Outcome], data: FaceData) -> np.ndarray:
    """Driving person of each outcome; there are fewer drivers than sources, which gives wider intervals."""
    return np.array([data.person[each.driving] for each in outcomes])
