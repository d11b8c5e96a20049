"""HTML report of a prepared set: counts, head poses, people, pictures, and what was left out and why.

One file without scripts and a folder of thumbnails with relative paths, so that it can be copied anywhere.
"""

import html
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from train.prepare.assemble import Entry, Material, by_person, hours_of
from train.prepare.filters import REASONS, Rejection
from train.prepare.labels import YAW_BINS_DEG
from train.prepare.people import SPLITS

MOST_STRETCHES, MOST_REJECTED, MOST_PEOPLE, MOST_FILES = 96, 24, 200, 100
"""Most items shown per split, per reason, in the table of people and in the list of unreadable files."""

FOLDER = "report"

_Item = TypeVar("_Item")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2129; background: #fff; margin: 2rem auto; max-width: 1180px;
  padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p.lead, figcaption, .quiet { color: #5b6472; } p.note { background: #fff6e0; padding: .5rem .8rem; border-radius: 6px; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .25rem 1.1rem .25rem 0; vertical-align: top; }
th { border-bottom: 1px solid #c9ced6; font-weight: 600; } td.n, th.n { text-align: right; }
.row { display: flex; flex-wrap: wrap; gap: 1.6rem; } .sheet { display: flex; flex-wrap: wrap; gap: .9rem; }
figure { margin: 0; } figure img { display: block; height: 88px; border-radius: 4px; }
figcaption { font-size: 12px; max-width: 352px; overflow-wrap: anywhere; }
.sheet.small figcaption { max-width: 132px; } svg text { font: 11px system-ui, sans-serif; fill: #5b6472; }
"""


def write_report(
    folder: pathlib.Path,
    material: Material,
    *,
    notes: Sequence[str],
    warnings: Sequence[str],
    settings: Mapping[str, Any],
) -> None:
    """Write ``report.html`` and its pictures.

    Args:
        folder: of the set.
        material: of `name_entries`.
        notes: shown at the top.
        warnings: shown at the top.
        settings: shown at the end.
    """
    entries = material.entries
    body = [
        "<h1>Prepared faces</h1>",
        f'<p class="lead">{_count(material.frames, "frame")} processed, {_count(material.face_frames, "face")}.</p>',
        *(f'<p class="lead">{_sentence(text)}</p>' for text in notes),
        *(f'<p class="note">{_sentence(text)}</p>' for text in warnings),
        "<h2>Contents</h2>",
        _totals(entries),
        "<h2>Head yaw, share of frames</h2>",
        _yaw_charts(entries),
        "<h2>People</h2>",
        _people_table(entries),
        *_contact_sheets(folder, entries),
        "<h2>Left out</h2>",
        *_left_out(folder, material.rejected),
        "<h2>Settings</h2>",
        _settings_table(settings),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Prepared faces</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def _totals(entries: Sequence[Entry]) -> str:
    rows = []
    for split in (*SPLITS, "all"):
        mine = [entry for entry in entries if split in (entry.split, "all")]
        clips = [entry for entry in mine if entry.is_clip]
        frames = sum(entry.facts["frames"] for entry in clips)
        numbers = [len({e.person for e in mine}), len(clips), frames, len(mine) - len(clips)]
        rows.append([split, *(f"{number:,}" for number in numbers), _duration(hours_of(mine))])
    return _table(["split", "people", "clips", "frames", "stills", "playing time"], rows, numbers_from=1)


def _yaw_charts(entries: Sequence[Entry]) -> str:
    charts = []
    for split in SPLITS:
        histograms = [entry.facts["yaw_histogram"] for entry in entries if entry.split == split]
        if histograms:
            turned = np.sum([entry.facts["turned"] for entry in entries if entry.split == split], axis=0)
            charts.append(_yaw_chart(split, np.sum(histograms, axis=0), turned))
    return f'<div class="row">{"".join(charts)}</div>'


def _yaw_chart(split: str, counts: np.ndarray, turned: np.ndarray) -> str:
    width, height, base = 360, 150, 118
    shares = counts / max(int(counts.sum()), 1)
    step = (width - 20) / len(counts)
    bars = []
    for i, (share, count) in enumerate(zip(shares, counts, strict=True)):
        tall = share / max(float(shares.max()), 1e-9) * 90
        edges = f"{YAW_BINS_DEG[i]} to {YAW_BINS_DEG[i + 1]}°"
        bars.append(
            f'<rect x="{10 + i * step:.1f}" y="{base - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}" '
            f'fill="#3b6ea8"><title>{edges}: {share:.1%}, {int(count):,} frames</title></rect>'
        )
    marks = "".join(
        f'<text x="{10 + (width - 20) * (angle + 95) / 190:.1f}" y="{base + 16}" text-anchor="middle">{angle}°</text>'
        for angle in (-90, -45, 0, 45, 90)
    )
    middling, strong = turned[1:] / max(int(turned.sum()), 1)
    return (
        f'<figure><svg width="{width}" height="{height}" role="img" aria-label="Histogram of yaw, {split}">'
        f'<text x="10" y="14">{split}, highest bar {float(shares.max()):.0%}</text>{"".join(bars)}'
        f'<line x1="10" x2="{width - 10}" y1="{base}" y2="{base}" stroke="#c9ced6"/>{marks}</svg>'
        f"<figcaption>{middling:.1%} at 30 to 60°, {strong:.1%} beyond</figcaption></figure>"
    )


def _people_table(entries: Sequence[Entry]) -> str:
    people = by_person(entries)
    rows = []
    for person, mine in list(people.items())[:MOST_PEOPLE]:
        clips = [entry for entry in mine if entry.is_clip]
        yaw = _span(min(e.facts["yaw_min"] for e in mine), max(e.facts["yaw_max"] for e in mine))
        frames = sum(entry.facts["frames"] for entry in clips)
        sources = len({entry.facts["origin"] for entry in mine})
        numbers = [len(clips), frames, len(mine) - len(clips), sources]
        rows.append([person, mine[0].split, *(f"{number:,}" for number in numbers), yaw])
    table = _table(["person", "split", "clips", "frames", "stills", "files", "yaw"], rows, numbers_from=2)
    return table + _rest(len(people) - len(rows), "more people")


def _contact_sheets(folder: pathlib.Path, entries: Sequence[Entry]) -> Iterable[str]:
    for split in SPLITS:
        mine = sorted((entry for entry in entries if entry.split == split), key=lambda entry: entry.key)
        if not mine:
            continue
        shown = _spread(mine, MOST_STRETCHES)
        figures = [_figure(folder, f"{entry.key}.jpg", entry, _caption(entry)) for entry in shown]
        yield f"<h2>Pictures: {split}</h2>"
        yield f'<div class="sheet">{"".join(figures)}</div>' + _rest(len(mine) - len(shown), "more samples")


def _caption(entry: Entry) -> str:
    facts = entry.facts
    place = f"{facts['origin']}, {_clock(facts['start_s'])}" if entry.is_clip else facts["origin"]
    length = f"{facts['frames']} frames, " if entry.is_clip else ""
    yaw = _span(facts["yaw_min"], facts["yaw_max"])
    return f"{entry.person}: {place}; {length}face {facts['face_px_in_source']} px, yaw {yaw}"


def _span(low_deg: float, high_deg: float) -> str:
    low, high = round(low_deg), round(high_deg)
    return f"{low}°" if low == high else f"{low} to {high}°"


def _left_out(folder: pathlib.Path, rejected: Sequence[tuple[Rejection, Entry | None]]) -> Iterable[str]:
    if not rejected:
        yield "<p>Nothing.</p>"
        return
    rows = []
    for reason, meaning in REASONS.items():
        mine = [one for one, _ in rejected if one.reason == reason]
        if mine:
            rows.append([reason, f"{len(mine):,}", f"{sum(one.frames for one in mine):,}", meaning])
    yield _table(["reason", "times", "frames", "meaning"], rows, numbers_from=1, numbers_to=3)
    yield '<p class="quiet">All, with time and measured value: <a href="rejected.csv">rejected.csv</a></p>'
    unreadable = [one for one, _ in rejected if one.reason == "unreadable"]
    if unreadable:
        listed = "".join(f"<li>{html.escape(one.detail)}</li>" for one in unreadable[:MOST_FILES])
        yield f"<ul>{listed}</ul>" + _rest(len(unreadable) - MOST_FILES, "more files")
    number = 0
    for reason in REASONS:
        pictured = [(one, entry) for one, entry in rejected if one.reason == reason and entry is not None]
        figures = []
        for one, entry in _spread(pictured, MOST_REJECTED):
            time = "" if one.start_s is None else f", {_clock(one.start_s)}"
            caption = f"{one.origin}{time}: {one.detail}"
            figures.append(_figure(folder, f"left-out-{number:04d}.jpg", entry, caption, first_only=True))
            number += 1
        if figures:
            yield f'<h3>{reason}</h3><div class="sheet small">{"".join(figures)}</div>'


def _figure(folder: pathlib.Path, name: str, entry: Entry, caption: str, *, first_only: bool = False) -> str:
    """Figure with a copy of the entry's thumbnails; `first_only` shows only the first of them."""
    content = entry.read(names=("jpg",)).get("jpg", b"")
    (folder / FOLDER / name).write_bytes(content)
    crop = ' style="width:88px;object-fit:cover;object-position:left"' if first_only else ""
    return (
        f'<figure><img src="{FOLDER}/{name}" loading="lazy" alt=""{crop}>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _settings_table(settings: Mapping[str, Any]) -> str:
    rows = [[name, value if isinstance(value, str) else json.dumps(value)] for name, value in settings.items()]
    return _table(["setting", "value"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int = 99, numbers_to: int = 99) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="n"' if numbers_from <= i < numbers_to else "" for i in range(len(row))]
        return "".join(f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    lines = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{lines}</tbody></table>"


def _spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most `most` items, evenly spaced from first to last."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _rest(count: int, what: str) -> str:
    return f'<p class="quiet">and {count:,} {what}</p>' if count > 0 else ""


def _sentence(text: str) -> str:
    return html.escape(text[:1].upper() + text[1:] + ("" if text.endswith(".") else "."))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"
