"""Names -> loaded objects, and the choice of the device."""

import pathlib
import shutil

import pytest
import torch

from reenact import weights
from reenact.errors import CheckpointError, ConfigError, MissingDependencyError
from reenact.hub import loading
from reenact.systems.catalog import CATALOG
from tests.hub_client import write_part


def test_a_system_is_loaded_by_name_ready_to_render(
    shared_system: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shared_system, tmp_path / "small")
    shutil.copytree(weights.EMBEDDED / "geometry", tmp_path / "geometry")
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    system = loading.load("small")
    assert isinstance(system, CATALOG["correspondence"].load_class())
    assert not system.training and not any(value.requires_grad for value in system.parameters())
    assert {value.dtype for value in system.networks.parameters()} == {torch.float32}
    assert system.weights is not None
    assert str(system.weights) == f"embedded small (sha256 {system.weights.sha256[:12]})"


def test_a_network_that_is_no_system_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CheckpointError, match="'tracker' model, which is no reenactment system; the systems are: corr"):
        loading.load(write_part(tmp_path / "part", model="tracker"))


@pytest.mark.parametrize("name", ["tracker", "detector", "identity", "parser", "hidden"])
def test_missing_embedded_weights_are_named(name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    with pytest.raises(CheckpointError, match=f"embedded weights perception/{name} are missing"):
        getattr(loading, f"load_{name}")()


def test_devices_are_chosen_and_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loading.select_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("gpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(ConfigError, match="No device is called"):
            loading.select_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert loading.select_device("auto") == loading.select_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="finds no CUDA GPU; use cpu or auto"):
        loading.select_device("cuda:0")
    with pytest.raises(ConfigError, match="this machine has no Metal GPU"):
        loading.select_device("mps")


def test_a_missing_teacher_file_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.delenv("REENACT_FACE_LANDMARKER", raising=False)
    with pytest.raises(MissingDependencyError, match="mediapipe|face_landmarker.task"):
        loading.load_tracker("mediapipe", model_file=tmp_path / "none.task")
