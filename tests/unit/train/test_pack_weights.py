"""``python -m train.pack_weights``."""

import pathlib
import shutil
import sys

import pytest

from reenact.hub.checkpoint import read_checkpoint
from reenact.weights import embedded_weights
from train import pack_weights


def test_a_folder_is_packed_in_place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "parser"
    shutil.copytree(embedded_weights("perception/parser"), folder)
    first = read_checkpoint(folder).weights
    monkeypatch.setattr(sys, "argv", ["pack_weights", str(folder)])
    assert pack_weights.main() == 0
    assert (folder / "model.safetensors").stat().st_size < 0.55 * sum(2 * value.numel() for value in first.values())
    second = read_checkpoint(folder).weights
    assert first.keys() == second.keys()
    assert all((first[name] - second[name]).abs().max() <= 0.005 * first[name].abs().max() for name in first)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_another_folder_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pack_weights", str(tmp_path)])
    assert pack_weights.main() == 1
    assert "has no model.safetensors" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
