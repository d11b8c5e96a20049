"""The report as Markdown; methods are columns, the best mean rank first."""

import json
import pathlib
from collections.abc import Sequence

from train.evaluate.bootstrap import Estimate
from train.evaluate.catalogue import BY_KEY, METRICS, Metric
from train.evaluate.jobs import REAL
from train.evaluate.profiled_pairs import ALL_RENDERED, DIRECTIONS, found_key
from train.evaluate.report import Report
from train.evaluate.summary import Row

ABSENT = "–"
_ARROWS = {"higher": "↑", "lower": "↓", "one": "→ 1"}
_BIN_METRICS = ("ssim", "psnr_db", "akd_px", "csim", "pose_error_deg", "ed", "found")
"""Measures in the tables by yaw; report.json has all."""
_DIRECTION_METRICS = (
    "found",
    "akd_px",
    "akd_known_px",
    "pose_error_deg",
    "pose_known_deg",
    "csim",
    "csim_share",
    "csim_judge",
    "ssim",
    "l1",
    "ed",
)
_DIRECTION_TEXT = (
    "Bins: the larger yaw of source and driving frame, degrees. In brackets: largest number of pairs in the row. "
    f"\"{REAL}\" is a picture of the source's person at the driver's yaw, made from another photograph: its CSIM is "
    "that of two real frames, and its known errors are those of the measuring tracker. Pairs are left out if the "
    "tracker finds no face in the source or the driving frame."
)
_GAIN_METRICS = (
    "psnr_db",
    "ssim",
    "l1",
    "lpips",
    "feature_distance",
    "rim_features",
    "akd_px",
    "csim",
    "pose_error_deg",
    "ed",
)


def save_report(report: Report, folder: pathlib.Path) -> None:
    """Write report.json and report.md."""
    (folder / "report.json").write_text(json.dumps(report.to_json(), indent=1) + "\n")
    (folder / "report.md").write_text(to_markdown(report) + "\n")


def to_markdown(report: Report) -> str:
    """The whole report."""
    parts = [_heading(report), _main_table(report), _notes(report)]
    if report.settings.profiled:
        parts += [_directions(report)]
    else:
        parts += [_bins(report, "by_yaw", "By the driving frame's yaw, degrees")]
        if report.settings.protocol == "large-pose":
            parts += [_bins(report, "by_turn", "By the turn between source and driving frame, degrees")]
    parts += [_gains(report), _checks(report), _networks(report)]
    return "\n\n".join(part for part in parts if part)


def cell(estimate: Estimate | None, metric: Metric, *, best: bool = False) -> str:
    """Mean and interval for a table."""
    if estimate is None:
        return ABSENT
    mean = f"{estimate.mean:.{metric.digits}f}"
    text = f"**{mean}**" if best else mean
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{estimate.low:.{metric.digits}f}, {estimate.high:.{metric.digits}f}]"


def title(metric: Metric) -> str:
    """Name, unit and direction."""
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{metric.title}{unit} {_ARROWS[metric.better]}".strip()


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is left-aligned and the others right-aligned."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _heading(report: Report) -> str:
    count, settings = len(report.pairs.pairs), report.settings
    people = report.pairs.found.get("driving_people")
    among = f", {people} driving people" if people is not None else ""
    inputs = "the labels" if settings.labels else "the embedded tracker"
    heading = f"# {settings.protocol}: {count} pairs of split {settings.split!r}{among}"
    reading = "mean [95 % bootstrap interval over driving people]; the best of each mode bold"
    parts = [heading, f"256 px crops; inputs tracked by {inputs}; {reading}."]
    if report.pairs.note:
        parts.append(f"**{report.pairs.note}**")
    if report.lost:
        parts.append(f"{report.lost} pairs, runs or triplets left out: no face found in an input.")
    return "\n\n".join(parts)


def _column(row: Row, modes: int) -> str:
    return f"{row.label}, {row.mode}" if modes > 1 else row.label


def _main_table(report: Report) -> str:
    rows = report.rows
    modes = len({row.mode for row in rows})
    lines = [["mean rank ↓", *(ABSENT if row.mean_rank is None else f"{row.mean_rank:.2f}" for row in rows)]]
    for metric in METRICS:
        if not any(metric.key in row.metrics for row in rows):
            continue
        best = _best(rows, metric)
        cells = [cell(row.metrics.get(metric.key), metric, best=i in best) for i, row in enumerate(rows)]
        lines.append([title(metric), *cells])
    costs = [report.costs.get(row.label) for row in rows]
    lines.append(["ms a frame ↓", *(ABSENT if cost is None else f"{cost.ms_per_frame:.1f}" for cost in costs)])
    lines.append(["GMAC a frame ↓", *(ABSENT if cost is None else f"{cost.gmac_per_frame:.2f}" for cost in costs)])
    return markdown_table([report.settings.protocol, *(_column(row, modes) for row in rows)], lines)


def _best(rows: Sequence[Row], metric: Metric) -> set[int]:
    """Columns to print bold: those with the best printed value of their mode."""
    best: set[int] = set()
    for mode in {row.mode for row in rows}:
        values = {
            i: round(row.metrics[metric.key].mean, metric.digits)
            for i, row in enumerate(rows)
            if row.mode == mode and row.label != REAL and metric.key in row.metrics
        }
        if len(values) > 1 and len(set(values.values())) > 1:
            least = min(map(metric.loss, values.values()))
            best |= {i for i, value in values.items() if metric.loss(value) == least}
    return best


def _notes(report: Report) -> str:
    parts = []
    for cost in list(report.costs.values())[:1]:
        where = f"{cost.threads} CPU threads, {report.made['device']}, {report.made['processor']}"
        parts.append(f"ms: motion and drawing, without tracking; {where}.")
    lines = [f"- {BY_KEY[key].title}: {reason}" for key, reason in report.left_out.items()]
    if lines:
        parts.append("Left out:\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _bins(report: Report, which: str, heading: str) -> str:
    rows = [row for row in report.rows if row.label != REAL]
    modes = len({row.mode for row in rows})
    lines = []
    for name in getattr(rows[0], which) if rows else ():
        for key in _BIN_METRICS:
            metric = BY_KEY[key]
            found = [getattr(row, which)[name].get(key) for row in rows]
            if any(found):
                count = max(estimate.count for estimate in found if estimate is not None)
                lines.append([f"{name} ({count}): {title(metric)}", *(cell(each, metric) for each in found)])
        if not any(getattr(row, which)[name] for row in rows):
            lines.append([f"{name}: no pairs", *[ABSENT] * len(rows)])
    table = markdown_table([which.replace("_", " "), *(_column(row, modes) for row in rows)], lines)
    return f"## {heading}\n\nIn brackets: pairs.\n\n{table}"


def _directions(report: Report) -> str:
    """One table per direction: measures in every bin of yaw, including the real frames."""
    parts = [f"## By direction and yaw\n\n{_DIRECTION_TEXT}"]
    for direction in (ALL_RENDERED, *DIRECTIONS):
        rows = [row for row in report.rows if direction in row.by_direction]
        lines, bins = [], tuple(rows[0].by_direction[direction]) if rows else ()
        for name in bins:
            cells = [row.by_direction[direction].get(name, {}) for row in rows]
            for key in _DIRECTION_METRICS:
                found = [cell_of.get(key) for cell_of in cells]
                count = max((estimate.count for estimate in found if estimate is not None), default=0)
                if count:
                    lines.append([f"{name} ({count}): {title(BY_KEY[key])}", *(cell(e, BY_KEY[key]) for e in found)])
            if not any(cells):
                lines.append([f"{name}: no pairs", *[ABSENT] * len(rows)])
        if lines:
            drawn = [(name, report.pairs.found.get(found_key(direction, name), 0)) for name in bins]
            text = "Pairs drawn: " + ", ".join(f"{count} at {name}" for name, count in drawn) + "."
            table = markdown_table([direction, *(row.label for row in rows)], lines)
            parts.append(f"### {direction}\n\n{text}\n\n{table}")
    return "\n\n".join(parts)


def _gains(report: Report) -> str:
    if not report.gains:
        return ""
    keys = [key for key in _GAIN_METRICS if any(key in gain.metrics for gain in report.gains)]
    lines = []
    for gain in report.gains:
        cells = [cell(gain.metrics.get(key), BY_KEY[key]) for key in keys]
        lines.append([f"{gain.label} over {gain.over}, {gain.mode}", *cells])
    table = markdown_table(["difference, pair by pair", *(title(BY_KEY[key]) for key in keys)], lines)
    return f"## Gains over the baselines\n\n{table}"


def _checks(report: Report) -> str:
    if not report.checks:
        return ""
    names = list(dict.fromkeys(name for values in report.checks.values() for name in values))
    lines = [
        [name, *(f"{values[name]:.4g}" if name in values else ABSENT for values in report.checks.values())]
        for name in names
    ]
    return f"## Checks\n\n{markdown_table(['check', *report.checks], lines)}"


def _networks(report: Report) -> str:
    lines = [f"- {role}: {facts['name']}, sha256 {facts['sha256'][:16]}" for role, facts in report.networks.items()]
    lines += [
        f"- system {label}: {facts['checkpoint']}, sha256 {facts['sha256'][:16]}"
        for label, facts in report.facts.items()
        if facts["kind"] == "system"
    ]
    measured = [
        f"- {metric.title}: {metric.definition}; {' + '.join(metric.networks) or 'no network'}"
        for metric in METRICS
        if metric.key not in report.left_out
    ]
    return "\n".join(
        [
            "## Definitions and networks",
            "",
            *measured,
            "",
            *lines,
            "",
            f"- pairs.json: {report.pairs_sha256[:16]}",
        ]
        + [f"- commit {report.made['commit']}, torch {report.made['versions']['torch']}"]
    )
