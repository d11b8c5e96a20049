"""A web server of one folder on localhost that knows ranges, and fails as a test asks."""

import contextlib
import dataclasses
import pathlib
import re
import threading
import unittest.mock
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclasses.dataclass
class Mishap:
    """What goes wrong with the next `times` requests for a path that ends in `suffix`."""

    suffix: str
    times: int = 1
    status: int | None = None
    """Answer with this and no content."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    cut_after: int | None = None
    """Close the connection after so many bytes of the answer."""
    whole: bool = False
    """Ignore a range and send everything, as simple servers do."""
    shifted: int = 0
    """Answer a range with one that begins so many bytes later."""


class FileServer(ThreadingHTTPServer):
    """Serves `root` at `url`."""

    daemon_threads = True

    def __init__(self, root: pathlib.Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.mishaps: list[Mishap] = []
        self.requests: list[tuple[str, str | None]] = []
        """Path and range of every request."""

    def ranges_of(self, suffix: str) -> list[str | None]:
        return [span for path, span in self.requests if path.endswith(suffix)]

    def mishap_for(self, path: str) -> Mishap | None:
        for mishap in self.mishaps:
            if mishap.times > 0 and path.endswith(mishap.suffix):
                mishap.times -= 1
                return mishap
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Quiet."""

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.server.requests.append((self.path, span))
        mishap = self.server.mishap_for(self.path) or Mishap(suffix="")
        path = self.server.root / self.path.lstrip("/")
        if mishap.status is not None or not path.is_file():
            return self._answer(mishap.status or 404, b"", mishap.headers)
        content = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-", span or "")
        if found is None or mishap.whole:
            return self._answer(200, content, {}, mishap.cut_after)
        start = int(found[1]) + mishap.shifted
        if start >= len(content):
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self._answer(206, content[start:], headers, mishap.cut_after)

    def _answer(self, status: int, content: bytes, headers: dict[str, str], cut_after: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content if cut_after is None else content[:cut_after])


@contextlib.contextmanager
def served_folder(root: pathlib.Path) -> Iterator[FileServer]:
    """The server inside the block; the Hub's client may reach it, though the tests are offline."""
    with FileServer(root) as server, unittest.mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", False):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
