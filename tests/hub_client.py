"""The Hub's real client, turned to the Hub on localhost: in this process, and for programs that a test starts."""

import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from tests.hub_server import HubServer, served_hub

NETWORK = {
    "crop": {"face_scale": 1.95, "shift_up": 0.03, "network_px": 64},
    "widths": [8, 12, 16],
    "blocks": 1,
    "match_width": 8,
}
"""Of the system correspondence, as small as it gets."""
CARD = "---\nlicense: apache-2.0\n---\n\n# A small one\n\nFor tests.\n\n## Figures\n\nNone.\n"


@dataclasses.dataclass
class Client:
    """Where this process's client looks, and the Hub that it finds there."""

    server: HubServer
    home: pathlib.Path
    patch: pytest.MonkeyPatch
    pauses_s: list[float]
    """What the client and this program slept; in truth they do not."""

    @property
    def cache(self) -> pathlib.Path:
        return self.home / "hub"

    @property
    def environment(self) -> dict[str, str]:
        """For programs that a test starts."""
        return os.environ | {
            "HF_ENDPOINT": self.server.endpoint,
            "HF_HOME": str(self.home),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        }

    def token(self, token: str | None) -> None:
        """Sign in, or out."""
        if token is None:
            self.patch.delenv("HF_TOKEN", raising=False)
        else:
            self.patch.setenv("HF_TOKEN", token)

    def offline(self, is_offline: bool = True) -> None:
        self.patch.setattr(constants, "HF_HUB_OFFLINE", is_offline)

    def without_xet(self) -> None:
        """Uploads and downloads by LFS, as on machines without hf-xet."""
        self.patch.setattr(constants, "HF_HUB_DISABLE_XET", True)

    def half_files(self) -> list[str]:
        """What broken downloads left in the cache."""
        return [path.name for path in self.home.rglob("*") if path.name.endswith(".incomplete")]


@pytest.fixture(scope="session")
def hub_server() -> Iterator[HubServer]:
    """One server for all tests of a folder."""
    with served_hub() as server:
        yield server


@pytest.fixture
def hub(hub_server: HubServer, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """An empty Hub; the client of this process signed in as your-name, with an empty cache, and nobody waits."""
    from huggingface_hub.utils import _xet

    hub_server.reset()
    home = tmp_path / "hf"
    for name, value in {
        "ENDPOINT": hub_server.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub_server.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_XET_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_XET_CLIENT_RETRY_BASE_DELAY", "10ms")
    monkeypatch.setattr(_xet, "_GLOBAL_XET_HOLDER", _xet.XetSessionHolder())
    monkeypatch.setattr(_xet, "XET_CONNECTION_INFO_CACHE", {})
    pauses_s: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses_s.append)
    huggingface_hub.utils.disable_progress_bars()
    yield Client(hub_server, home, monkeypatch, pauses_s)
    huggingface_hub.close_session()
    assert not hub_server.mistakes, hub_server.mistakes[0]


def write_system(folder: pathlib.Path, *, seed: int = 0, **config: Any) -> pathlib.Path:
    """A checkpoint of the system correspondence with random weights."""
    from reenact.systems.catalog import CATALOG

    torch.manual_seed(seed)
    networks = CATALOG["correspondence"].load_class().from_config(NETWORK).networks
    weights = {
        name: value.half() if value.is_floating_point() else value for name, value in networks.state_dict().items()
    }
    weights = {name: value for name, value in weights.items() if not name.endswith("num_batches_tracked")}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    training = {
        "command": "-m train correspondence --data DATA",
        "steps": 3,
        "validation": {"psnr": 25.5, "psnr_copy": 22.0},
    }
    base = {"format_version": 1, "model": "correspondence", "network": NETWORK, "training": training}
    (folder / "config.json").write_text(json.dumps(base | config))
    (folder / "README.md").write_text(CARD)
    return folder


def write_part(folder: pathlib.Path, *, model: str) -> pathlib.Path:
    """A checkpoint of a model that is only read, not built: quicker to check than a system."""
    folder.mkdir(parents=True)
    save_file({"weight": torch.rand(10_000, generator=torch.Generator().manual_seed(0))}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"format_version": 1, "model": model, "network": {}}))
    (folder / "README.md").write_text(CARD)
    return folder


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    """A checkpoint's files, to be put into the server without the network."""
    return {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors", "README.md")}
