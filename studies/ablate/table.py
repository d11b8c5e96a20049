"""A paper's ablation table with our figures beside the paper's, and rows that are trained once and then kept."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

from reenact.errors import ConfigError

Figure = float | str | None
"""A number; or its text, where the number alone would not do ("8.07 ± 2.59", the reason why a figure is absent); None
where there is none yet."""

DIFFERENCE = (
    "The paper's figures stand beside ours to compare the order of the rows, not their size: the data, the networks "
    "behind the figures, the number of people and the length of training all differ."
)
"""Stands under every table."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AblationRow:
    """One setting."""

    name: str
    """As in the paper's table."""
    paper: tuple[Figure, ...]
    """The paper's figures, one for each column."""
    ours: tuple[Figure, ...] | None
    """Ours, one for each column; None while the row has not been trained."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AblationTable:
    """A table of a paper, done again."""

    title: str
    """Which table of which paper."""
    paper_caption: str
    """What the paper measured, and on what."""
    columns: tuple[str, ...]
    """Names of the figures, each with an arrow that says which way is better: "SSIM ↑"."""
    rows: tuple[AblationRow, ...]
    """From the baseline to the full method."""
    note: str
    """What we measured, and on what: data, people, steps, networks behind the figures."""

    def __post_init__(self) -> None:
        for row in self.rows:
            for whose, figures in (("the paper's", row.paper), ("our", row.ours)):
                if figures is not None and len(figures) != len(self.columns):
                    raise ConfigError(
                        f"row {row.name!r} of {self.title!r} has {len(figures)} of {whose} figures, but the table has "
                        f"{len(self.columns)} columns; give one figure per column, None for those that are absent"
                    )

    def to_markdown(self) -> str:
        """Title, table (paper and ours side by side, column by column), captions.

        What the paper did not measure has a column of ours alone.
        """
        heads, columns = ["setting"], []
        for i, column in enumerate(self.columns):
            published = [row.paper[i] for row in self.rows]
            ours = [None if row.ours is None else row.ours[i] for row in self.rows]
            if any(figure is not None for figure in published):
                heads.append(f"{column} (paper)")
                columns.append(published)
            heads.append(f"{column} (ours)")
            columns.append(ours)
        lines = [f"### {self.title}", "", _line(heads), _line(["---"] * len(heads))]
        for row, figures in zip(self.rows, zip(*columns, strict=True), strict=True):
            lines.append(_line([row.name, *map(_text, figures)]))
        lines += ["", f"Paper: {self.paper_caption}", "", f"Ours: {self.note}", "", DIFFERENCE, ""]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """All of it, for a file."""
        return dataclasses.asdict(self) | {"difference": DIFFERENCE}


def keep_row(
    out: pathlib.Path, name: str, settings: dict[str, Any], train: Callable[[pathlib.Path], dict[str, Figure]]
) -> dict[str, Figure]:
    """Figures of one row: read from ``out/<name>.json`` if it is finished, else trained and written there.

    Args:
        out: folder of the ablation.
        name: file name of the row, without suffix; its run folder is ``out/<name>``.
        settings: whatever changes the row's figures (steps, side, losses); kept beside them.
        train: trains and measures the row in the run folder it is given, picking up what is there already.

    Raises:
        ConfigError: the row was finished, or begun, with other settings.
    """
    path, started = out / f"{name}.json", out / name / "settings.json"
    settings = json.loads(json.dumps(settings))
    for kept in (path, started):
        if kept.is_file():
            _require_same(kept, json.loads(kept.read_text())["settings"], settings)
    if path.is_file():
        return json.loads(path.read_text())["figures"]
    _write_json(started, {"settings": settings})
    figures = train(out / name)
    _write_json(path, {"settings": settings, "figures": figures})
    return figures


def finished_row(out: pathlib.Path, name: str) -> dict[str, Figure] | None:
    """Figures of a row that is finished, None else; whatever its settings."""
    path = out / f"{name}.json"
    return json.loads(path.read_text())["figures"] if path.is_file() else None


def write_tables(out: pathlib.Path, tables: list[AblationTable], facts: dict[str, Any]) -> str:
    """Write ``ablation.json`` and ``ablation.md`` into `out`; returns the Markdown."""
    text = "\n".join(table.to_markdown() for table in tables)
    _write_json(out / "ablation.json", {"tables": [table.to_json() for table in tables], "facts": facts})
    (out / "ablation.md").write_text(text)
    return text


def _require_same(path: pathlib.Path, kept: dict[str, Any], wanted: dict[str, Any]) -> None:
    changed = [key for key in {**kept, **wanted} if kept.get(key) != wanted.get(key)]
    if changed:
        was = ", ".join(f"{key} {kept.get(key)!r}, now {wanted.get(key)!r}" for key in changed)
        raise ConfigError(
            f"{path} belongs to other settings (it was {was}); use the old settings, take another --out, or delete "
            f"{path.stem if path.name != 'settings.json' else path.parent.name} and its .json there"
        )


def _write_json(path: pathlib.Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    partial.replace(path)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _text(figure: Figure) -> str:
    if figure is None:
        return "–"
    return figure if isinstance(figure, str) else f"{figure:.4g}"
