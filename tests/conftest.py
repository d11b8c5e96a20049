"""Setup of all tests: two CPU threads, fixed seeds, no connections to other machines, skips with a reason."""

import hashlib
import ipaddress
import os
import pathlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

# Before the first import of torch, gradio and huggingface_hub, and for the programs that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import hypothesis
import numpy as np
import pytest
import torch

# `reenact` is imported inside the fixtures only: jaxtyping's hook must be in place first.

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("reenact", deadline=None, max_examples=30, derandomize=True)
hypothesis.settings.load_profile("reenact")


class OutsideConnectionError(OSError):
    """A test tried to connect to another machine."""


def _is_local(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", errors="replace")
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == socket.gethostname()
    return address.is_loopback or address.is_unspecified


@pytest.fixture(scope="session", autouse=True)
def stay_on_this_machine() -> Iterator[None]:
    """Refuse connections and name lookups beyond the loopback interface, like a machine without a network."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse_outside(address: Any) -> None:
        if isinstance(address, tuple) and not _is_local(address[0]):
            raise OutsideConnectionError(f"tests stay on this machine, but something connects to {address[0]}")

    def local_connect(self: socket.socket, address: Any) -> None:
        refuse_outside(address)
        connect(self, address)

    def local_connect_ex(self: socket.socket, address: Any) -> int:
        refuse_outside(address)
        return connect_ex(self, address)

    def local_getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if not _is_local(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests stay on this machine, but something looks up {host}")
        return getaddrinfo(host, *arguments, **options)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", local_connect)
    patch.setattr(socket.socket, "connect_ex", local_connect_ex)
    patch.setattr(socket, "getaddrinfo", local_getaddrinfo)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    """Use two threads: the suite is meant for two cores, and rounding of sums depends on the number of threads."""
    torch.set_num_threads(min(2, int(os.environ["OMP_NUM_THREADS"])))


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Make random weights and inputs independent of the order of the tests."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - third-party code uses this generator


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded random generator for each test."""
    return np.random.default_rng(0)


@pytest.fixture
def fresh_accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Run the training loop on the CPU with no state of an earlier run; call it to reset once more within a test."""
    import accelerate.state
    import cv2

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def reset() -> None:
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
        accelerate.state.GradientState._reset_state()

    threads = cv2.getNumThreads()  # some recipes set it to 1
    reset()
    yield reset
    reset()
    cv2.setNumThreads(threads)


@pytest.fixture(scope="session")
def kept_portraits() -> dict[bytes, Any]:
    """The last portraits of this session, by a digest of what they were made from."""
    return {}


@pytest.fixture(scope="module")
def portraits_once(kept_portraits: dict[bytes, Any]) -> Iterator[None]:
    """Take a source apart once for all tests that use it: most of the time of a short run goes there."""
    from reenact.portrait import portrait

    build = portrait.build_portrait

    def build_once(model: Any, rgb: torch.Tensor, parsing: torch.Tensor | None, mesh: torch.Tensor) -> Any:
        digest = hashlib.sha256()
        for tensor in (model.mean, rgb, mesh, torch.zeros(0) if parsing is None else parsing):
            digest.update(repr(tensor.shape).encode() + tensor.numpy().tobytes())
        made = kept_portraits.pop(digest.digest(), None)
        kept_portraits[digest.digest()] = made = made or build(model, rgb, parsing, mesh)
        if len(kept_portraits) > 12:
            kept_portraits.pop(next(iter(kept_portraits)))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portrait, "build_portrait", build_once)
        yield


@pytest.fixture(scope="session")
def embedded() -> Callable[[str], pathlib.Path]:
    """`embedded("perception/tracker")` is the folder of these weights; it skips the test if they are missing."""

    def folder_of(name: str) -> pathlib.Path:
        folder = REPOSITORY / "checkpoints" / name
        if not (folder / "model.safetensors").is_file():
            pytest.skip(f"checkpoints/{name}/model.safetensors is not in this tree")
        return folder

    return folder_of


@pytest.fixture(scope="session")
def data_root() -> pathlib.Path:
    """The labelled data folder (docs/data.md): REENACT_DATA, or ../shared/data. Skips the test if there is none."""
    named = os.environ.get("REENACT_DATA")
    root = pathlib.Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not (root / "clips.csv").is_file():
        where = f"REENACT_DATA={named} holds" if named else "REENACT_DATA is not set and ../shared/data holds"
        pytest.skip(f"no labelled data folder: {where} no clips.csv")
    return root
