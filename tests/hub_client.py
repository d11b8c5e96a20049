"""Connects the real Hub client to the test Hub on localhost, in this process and in programs that a test starts."""

import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Iterator

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars
from safetensors.torch import save_file

from reenact.systems.catalog import CATALOG
from tests.contract.systems import network_of
from tests.hub_server import HubServer, served_hub
from train.run.export import write_model

CARD = "---\nlicense: apache-2.0\n---\n\n# A small one\n\nFor tests.\n\n## Figures\n\nNone.\n"


@dataclasses.dataclass
class Client:
    """The test Hub, and the settings of the client in this process."""

    server: HubServer
    home: pathlib.Path
    patch: pytest.MonkeyPatch
    pauses_s: list[float]
    """Durations passed to `time.sleep`, which is replaced and does not wait."""

    def token(self, token: str | None) -> None:
        """Sign in with a token, or out with None."""
        if token is None:
            self.patch.delenv("HF_TOKEN", raising=False)
        else:
            self.patch.setenv("HF_TOKEN", token)

    def offline(self, is_offline: bool = True) -> None:
        self.patch.setattr(constants, "HF_HUB_OFFLINE", is_offline)


def hub_environment(server: HubServer, home: pathlib.Path) -> dict[str, str]:
    """Environment variables for programs that a test starts."""
    return os.environ | {
        "HF_ENDPOINT": server.endpoint,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",
    }


@pytest.fixture(scope="session")
def hub_server() -> Iterator[HubServer]:
    """One server for the test session; `hub` empties it for every test."""
    with served_hub() as server:
        yield server


@pytest.fixture
def hub(hub_server: HubServer, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """An empty Hub. The client is signed in as your-name, with an empty cache, and does not sleep between retries."""
    hub_server.reset()
    home = tmp_path / "hf"
    for name, value in {
        "ENDPOINT": hub_server.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub_server.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.setenv("HF_HOME", str(home))
    pauses_s: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses_s.append)
    disable_progress_bars()
    yield Client(hub_server, home, monkeypatch, pauses_s)
    huggingface_hub.close_session()
    assert not hub_server.bugs, hub_server.bugs[0]


def write_system(folder: pathlib.Path, *, seed: int = 0) -> pathlib.Path:
    """Write a `correspondence` checkpoint with random weights."""
    torch.manual_seed(seed)
    network = network_of("correspondence")
    networks = CATALOG["correspondence"].load_class().from_config(network).networks
    validation = {"psnr": 25.5, "psnr_copy": 22.0}
    training = {"command": "-m train correspondence --data DATA", "steps": 3, "validation": validation}
    write_model(networks, folder, {"model": "correspondence", "network": network}, training)
    (folder / "README.md").write_text(CARD)
    return folder


def write_part(folder: pathlib.Path, *, model: str) -> pathlib.Path:
    """Write a checkpoint of an unknown model. It is only read, not built, so tests with it are fast."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {"weight": torch.rand(10_000, generator=torch.Generator().manual_seed(0))}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"format_version": 1, "model": model, "network": {}}))
    (folder / "README.md").write_text(CARD)
    return folder


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    """The files of a checkpoint, for `HubServer.put`."""
    return {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors", "README.md")}
