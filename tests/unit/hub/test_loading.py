"""Names -> loaded objects, and the choice of the device."""

import dataclasses
import json
import pathlib
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from reenact import weights
from reenact.errors import CheckpointError, ConfigError, MissingDependencyError
from reenact.hub import loading


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmallConfig:
    inputs: int


class SmallSystem(nn.Module):
    """Stands for a system: it only has to be made from a checkpoint."""

    config_class = SmallConfig

    def __init__(self, config: SmallConfig) -> None:
        super().__init__()
        self.networks = nn.Linear(config.inputs, 1)
        self.weights: Any = None

    def prepare(self) -> None:
        self.eval().requires_grad_(False)


class SmallEntry:
    """Stands for a row of the catalog."""

    @staticmethod
    def load_class() -> type[SmallSystem]:
        return SmallSystem


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(loading, "CATALOG", {"small": SmallEntry})
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    folder = tmp_path / "one"
    folder.mkdir()
    save_file({"weight": torch.ones(1, 3).half(), "bias": torch.zeros(1).half()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"format_version": 1, "model": "small", "network": {"inputs": 3}}))
    return folder


def test_a_system_is_loaded_by_name_ready_to_render(folder: pathlib.Path) -> None:
    system = loading.load("one")
    assert isinstance(system, SmallSystem)
    assert not system.training and not any(value.requires_grad for value in system.parameters())
    assert str(system.weights) == f"embedded one (sha256 {system.weights.sha256[:12]})"
    assert system.networks.weight.dtype == torch.float32 and system.networks.weight.sum() == 3


def test_a_network_that_is_no_system_is_refused(folder: pathlib.Path) -> None:
    (folder / "config.json").write_text('{"format_version": 1, "model": "tracker"}')
    with pytest.raises(
        CheckpointError, match="'tracker' model, which is no reenactment system; the systems are: small"
    ):
        loading.load(folder)


@pytest.mark.parametrize("name", ["own", "detector", "identity", "parser"])
def test_missing_embedded_weights_are_named(folder: pathlib.Path, name: str) -> None:
    pytest.importorskip(f"reenact.perception.{'tracking' if name == 'own' else name}")
    with pytest.raises(CheckpointError, match=r"embedded weights perception/\w+ are missing"):
        load = {"detector": loading.load_detector, "identity": loading.load_identity, "parser": loading.load_parser}
        load.get(name, loading.load_tracker)()


def test_devices_are_chosen_and_refused_in_words() -> None:
    assert loading.select_device("cpu") == torch.device("cpu")
    assert loading.select_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("gpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(ConfigError, match="No device is called"):
            loading.select_device(name)


def test_an_absent_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert loading.select_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match="finds no CUDA GPU; use cpu or auto"):
        loading.select_device("cuda:0")
    with pytest.raises(ConfigError, match="this machine has no Metal GPU"):
        loading.select_device("mps")


def test_a_missing_teacher_file_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("reenact.perception.mediapipe")
    monkeypatch.delenv("REENACT_FACE_LANDMARKER", raising=False)
    with pytest.raises(MissingDependencyError, match="mediapipe|face_landmarker.task"):
        loading.load_tracker("mediapipe", model_file=tmp_path / "none.task")
