"""Ablation tables: text, JSON, and rows that are trained once."""

import contextlib
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from reenact.errors import ConfigError
from reenact.geometry.morphable import load_morphable
from studies.ablate import __main__ as command
from studies.ablate import dual_generator, rows
from studies.ablate.rows import Figure, finished_row, keep_row
from studies.ablate.table import DIFFERENCE, AblationRow, AblationTable, write_tables
from tests.synthetic import face_set

BASELINE = AblationRow(name="baseline", paper=("8.07 ± 2.59", 0.503), ours=(7.12345, "no such network"))
FULL = AblationRow(name="full", paper=(4.13, None), ours=None)


def table(*rows: AblationRow) -> AblationTable:
    titles = {"title": "Paper, Table 1", "paper_caption": "on their data", "note": "on ours"}
    return AblationTable(columns=("ACE ↓", "SSIM ↑"), rows=rows, **titles)


def test_the_paper_stands_beside_ours() -> None:
    text = table(BASELINE, FULL).to_markdown()
    assert "| setting | ACE ↓ (paper) | ACE ↓ (ours) | SSIM ↑ (paper) | SSIM ↑ (ours) |" in text
    assert "| baseline | 8.07 ± 2.59 | 7.123 | 0.503 | no such network |" in text
    assert "| full | 4.13 | – | – | – |" in text
    assert "Paper: on their data" in text
    assert "Ours: on ours" in text
    assert DIFFERENCE in text


def test_what_the_paper_did_not_measure_has_one_column() -> None:
    text = table(AblationRow(name="r", paper=(1.0, None), ours=(2.0, 3.0))).to_markdown()
    assert "| setting | ACE ↓ (paper) | ACE ↓ (ours) | SSIM ↑ (ours) |" in text
    assert "| r | 1 | 2 | 3 |" in text


def test_json_holds_everything(tmp_path: pathlib.Path) -> None:
    text = write_tables(tmp_path, [table(BASELINE, FULL)], {"command": "x"})
    kept = json.loads((tmp_path / "ablation.json").read_text())
    assert kept["tables"][0]["rows"][0]["ours"] == [7.12345, "no such network"]
    assert kept["tables"][0]["difference"] == DIFFERENCE
    assert kept["facts"] == {"command": "x"}
    assert (tmp_path / "ablation.md").read_text() == text


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="has 1 of our figures, but the table has 2 columns"):
        table(AblationRow(name="r", paper=(1.0, 2.0), ours=(1.0,)))


def test_a_finished_row_is_not_trained_again(tmp_path: pathlib.Path) -> None:
    runs: list[pathlib.Path] = []

    def train(folder: pathlib.Path) -> dict[str, Figure]:
        runs.append(folder)
        return {"ace": 1.5}

    for _ in range(2):
        assert keep_row(tmp_path, "row", {"steps": 3, "sides": (1, 2)}, train) == {"ace": 1.5}
    assert runs == [tmp_path / "row"]
    assert finished_row(tmp_path, "row") == {"ace": 1.5}
    assert finished_row(tmp_path, "other") is None


def test_a_row_that_was_interrupted_starts_in_its_own_folder_again(tmp_path: pathlib.Path) -> None:
    def train(folder: pathlib.Path) -> dict[str, Figure]:
        if not (folder / "state").exists():
            (folder / "state").touch()
            raise KeyboardInterrupt
        return {"ace": 2.0}

    with pytest.raises(KeyboardInterrupt):
        keep_row(tmp_path, "row", {"steps": 3}, train)
    assert finished_row(tmp_path, "row") is None
    assert keep_row(tmp_path, "row", {"steps": 3}, train) == {"ace": 2.0}


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused_by_name(tmp_path: pathlib.Path, finished: bool) -> None:
    def train(folder: pathlib.Path) -> dict[str, Figure]:
        if not finished:
            raise KeyboardInterrupt
        return {}

    with contextlib.suppress(KeyboardInterrupt):
        keep_row(tmp_path, "row", {"steps": 3, "side": 64}, train)
    with pytest.raises(ConfigError, match="steps 3, now 4"):
        keep_row(tmp_path, "row", {"steps": 4, "side": 64}, train)


def test_the_paper_s_figures_are_those_of_the_paper() -> None:
    shape = [paper for paper, _ in dual_generator.SHAPE_ROWS.values()]
    assert shape == ["8.07 ± 2.59", "6.93 ± 1.90", "6.61 ± 1.65", "4.13 ± 1.12"]
    face = [paper for paper, _ in dual_generator.FACE_ROWS.values()]
    assert face[0] == (0.503, 58.61, 0.211)
    assert face[4] == (0.726, 3.99, 0.862)
    assert len(face) == 5


@pytest.mark.parametrize("system", ["dual_generator", "facegan"])
def test_missing_data_is_one_line_and_leaves_no_folder(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], system: str
) -> None:
    data, out = tmp_path / "none", tmp_path / "out"
    assert command.main([system, "--data", str(data), "--out", str(out), "--cache", str(tmp_path / "cache")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"studies.ablate: {data / 'clips.csv'} is missing; --data needs a folder")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_trains_its_rows_once_and_shows_both_tables(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fresh_accelerator: Any
) -> None:
    faces = face_set(load_morphable(), np.random.default_rng(0), clips=2, frames=3, stills=1)
    monkeypatch.setattr(dual_generator, "load_faces", lambda *_: faces)
    words = ["dual_generator", "--data", "none", "--out", str(tmp_path), "--steps", "1", "--batch-size", "2"]
    assert command.main([*words, "--tables", "1"]) == 0
    assert "Table 1" in capsys.readouterr().out
    assert len(list(tmp_path.glob("shape-*.json"))) == 4

    def no_training(*_: Any, **__: Any) -> dict[str, float]:
        raise AssertionError("trained again")

    monkeypatch.setattr(rows, "run", no_training)
    assert command.main([*words, "--tables", "1"]) == 0
    text = (tmp_path / "ablation.md").read_text()
    assert "8.07 ± 2.59" in text
    assert "SSIM, with source features ↑ (ours)" in text
    assert command.main([*words[:-3], "2", "--batch-size", "2", "--tables", "1"]) == 2
    assert "steps 1, now 2" in capsys.readouterr().err
