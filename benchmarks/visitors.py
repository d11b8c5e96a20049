"""A served page and its visitors, who speak to it as the browser does; for benchmarks and tests of a whole server."""

import contextlib
import dataclasses
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"
PORTRAITS = sorted((EXAMPLES / "portraits").iterdir())


@dataclasses.dataclass(frozen=True)
class Served:
    """A page that is served by a program of its own."""

    address: str
    process: "subprocess.Popen[bytes]"
    log: pathlib.Path

    def memory_gb(self, name: str = "VmHWM") -> float:
        """Memory of the process: its peak, or another line of ``/proc/PID/status``."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 2**20

    def tracebacks(self) -> int:
        """In its log."""
        return self.log.read_text().count("Traceback")


@contextlib.contextmanager
def served(cache: pathlib.Path, *words: str) -> Iterator[Served]:
    """Run ``python app.py WORDS`` inside a `with` block, ready to draw.

    Args:
        cache: folder of uploads and results; the log is written beside it.
        words: options of the page.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(cache)}
    command = [sys.executable, str(EXAMPLES.parent / "app.py"), *words]
    log = cache.with_name("log")
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT) as app,
    ):
        address = f"http://127.0.0.1:{port}/"
        try:
            while app.poll() is None:
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{address}readyz").status_code == 200:
                        break
                time.sleep(0.2)
            yield Served(address, app, log)
        finally:
            app.terminate()


@dataclasses.dataclass(kw_only=True)
class Answer:
    """What a run has given."""

    values: list[Any] | None = None
    """What the endpoint returns; None if it failed."""
    error: str = ""
    """Message of a failed run."""
    position_s: float | None = None
    """Time until the place in the queue, or that the run has begun, was told."""
    ended_s: float = 0.0


class Visitor:
    """One session with the page."""

    def __init__(self, address: str) -> None:
        """Open the page at `address`."""
        self._web = httpx.Client(base_url=f"{address}gradio_api/", timeout=600, limits=httpx.Limits(max_connections=8))
        self._session = secrets.token_hex(6)
        self._described = self._web.get("info").raise_for_status().json()["named_endpoints"]
        config = self._web.get(f"{address}config").raise_for_status().json()
        self._numbers = {each["api_name"]: each["id"] for each in config["dependencies"] if each["api_name"]}

    def close(self) -> None:
        """Leave."""
        self._web.close()

    def upload(self, path: pathlib.Path) -> dict[str, Any]:
        """Upload a file; returns it as a value for endpoints."""
        sent = self.send(path).raise_for_status()
        return {"path": sent.json()[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def send(self, path: pathlib.Path) -> httpx.Response:
        """The answer to the upload of a file."""
        return self._web.post("upload", files={"files": (path.name, path.read_bytes())})

    def fetch(self, file: Mapping[str, Any]) -> bytes:
        """Content of a result.

        Raises:
            httpx.HTTPError: it is gone.
        """
        return self._web.get(f"file={file['path']}").raise_for_status().content

    def run(self, endpoint: str, **values: Any) -> Answer:
        """Join the queue and wait for the end.

        Args:
            endpoint: its name: "/edit".
            values: of its parameters; defaults for the others.

        Raises:
            httpx.HTTPError: the server is gone.
        """
        parameters = self._described[endpoint]["parameters"]
        given = {each["parameter_name"]: each.get("parameter_default") for each in parameters} | values
        body = {"data": [*given.values()], "fn_index": self._numbers[endpoint[1:]], "session_hash": self._session}
        begun, answer = time.monotonic(), Answer()
        joined = self._web.post("queue/join", json=body)
        if joined.status_code != 200:
            answer.error = str(joined.json().get("detail"))
        for told in self._told(joined.json().get("event_id")) if not answer.error else ():
            if answer.position_s is None and told["msg"] in ("estimation", "process_starts"):
                answer.position_s = time.monotonic() - begun
            if told["msg"] == "process_completed":
                output = told["output"]
                answer.values, answer.error = (
                    (output["data"], "") if told["success"] else (None, str(output.get("error")))
                )
        answer.ended_s = time.monotonic() - begun
        return answer

    def stop(self) -> None:
        """Press Stop."""
        with contextlib.suppress(httpx.HTTPError):
            body = {"data": [], "fn_index": self._numbers["stop"], "session_hash": self._session}
            self._web.post("run/predict", json=body)

    def _told(self, job: str) -> Iterator[dict[str, Any]]:
        with self._web.stream("GET", "queue/data", params={"session_hash": self._session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    told = json.loads(line[6:])
                    if told.get("event_id") in (None, job):
                        yield told
                    if told["msg"] in ("close_stream", "unexpected_error"):
                        return


def partial_files(cache: pathlib.Path) -> list[str]:
    """Names of the partial files in a folder of results."""
    return [path.name for path in cache.rglob("*.partial")]
