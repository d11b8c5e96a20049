"""A paper's ablation table with our figures beside the paper's."""

import dataclasses
import pathlib
from typing import Any

from reenact.errors import ConfigError
from studies.ablate.rows import Figure, write_json

DIFFERENCE = (
    "The paper's figures stand beside ours to compare the order of the rows, not their size: the data, the networks "
    "behind the figures, the number of people and the length of training all differ."
)
"""Printed under every table."""


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
        """Title, table with the paper's figures beside ours, captions.

        Columns that the paper does not have show ours alone.
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


def write_tables(out: pathlib.Path, tables: list[AblationTable], facts: dict[str, Any]) -> str:
    """Write ``ablation.json`` and ``ablation.md`` into `out`; returns the Markdown."""
    text = "\n".join(table.to_markdown() for table in tables)
    write_json(out / "ablation.json", {"tables": [table.to_json() for table in tables], "facts": facts})
    (out / "ablation.md").write_text(text)
    return text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _text(figure: Figure) -> str:
    if figure is None:
        return "–"
    return figure if isinstance(figure, str) else f"{figure:.4g}"
