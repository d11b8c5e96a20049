"""The page as its container runs it: from the files of the Dockerfile, to which it writes nothing, until SIGTERM."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from reenact.media import read_image
from tests.e2e.conftest import swayed, write_clip

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def steps() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def test_dockerfile_copies_what_its_context_holds_and_needs_no_root() -> None:
    found = steps()
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [rest.split()[0] for name, rest in found if name == "COPY"]
    assert {f"!{name}" for name in copied} == {line for line in ignored if line.startswith("!")}
    assert all((REPOSITORY / name).exists() for name in copied)
    names = [name for name, _ in found]
    assert names.index("USER") > max(index for index, name in enumerate(names) if name in ("RUN", "COPY"))
    assert json.loads(dict(found)["CMD"]) == ["python", "app.py"]  # the form that receives signals
    assert "/healthz" in dict(found)["HEALTHCHECK"]


@pytest.mark.processes
@pytest.mark.usefixtures("weights")
def test_container_serves_until_sigterm_and_leaves_no_partial_file(tmp_path: pathlib.Path) -> None:
    root = tmp_path / "root"
    for name in (rest.split()[0] for name, rest in steps() if name == "COPY"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            root.mkdir(exist_ok=True)
            shutil.copy(source, root / name)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    cache = tmp_path / "tmp" / "reenact"
    environment = dict(word.split("=", 1) for name, rest in steps() if name == "ENV" for word in shlex.split(rest))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(cache), "HOME": str(tmp_path / "tmp")}
    environment |= {"PATH": os.environ["PATH"], "REENACT_GRACE_SECONDS": "1", "REENACT_JSON_LOG": "1"}
    (tmp_path / "tmp").mkdir()
    portrait = REPOSITORY / "examples/portraits/astronaut.jpg"
    frames = [swayed(read_image(portrait).rgb, 3 * np.sin(i / 9), 0)[:240, 100:340] for i in range(50)] * 8
    clip = write_clip(tmp_path / "long.mp4", frames)
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "app.py"], cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as app,
    ):
        try:
            address = f"http://127.0.0.1:{port}/"
            assert waited(lambda: answers(f"{address}healthz")), (tmp_path / "log").read_text()
            assert waited(lambda: answers(f"{address}readyz"))
            client = gradio_client.Client(address, verbose=False)
            files = [gradio_client.handle_file(str(path)) for path in (portrait, clip)]
            client.submit(*files, system="correspondence", api_name="/reenact_video")
            assert waited(lambda: any(cache.rglob("*.partial")))
            app.send_signal(signal.SIGTERM)
            assert app.wait(timeout=60) == 0
        finally:
            app.kill()
    assert [path for path in (cache / "results").rglob("*") if path.is_file()] == []
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    assert {event.get("ended") for event in events} >= {"stopped"}
    assert not re.search("astronaut|long", (tmp_path / "log").read_text())


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.HTTPError:
        return False


def waited(for_what: Callable[[], bool], seconds: float = 90.0) -> bool:
    """Whether something happens in time."""
    deadline = time.monotonic() + seconds
    while not for_what() and time.monotonic() < deadline:
        time.sleep(0.1)
    return for_what()
