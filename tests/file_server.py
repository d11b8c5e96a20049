"""Web servers on localhost with faults on demand. `FileServer` serves a folder and supports range requests."""

import contextlib
import dataclasses
import pathlib
import re
import sys
import threading
import traceback
import unittest.mock
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclasses.dataclass
class Fault:
    """A fault for the next `times` requests whose "METHOD /path" matches `pattern`."""

    pattern: str
    times: int = 1
    status: int | None = None
    """Answer with this status code and do nothing else."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    cut_after: int | None = None
    """Close the connection after this many bytes of the response body, or before reading an uploaded body."""
    whole: bool = False
    """Ignore the range and send the whole file, like simple servers."""
    shifted: int = 0
    """Answer with a range that starts this many bytes later than requested."""


class FaultyServer(ThreadingHTTPServer):
    """Server that records requests and applies `faults` to later ones."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str | None]] = []
        """"METHOD /path" and Range header of every request."""
        self.bugs: list[str] = []
        """Tracebacks of errors in the server itself."""

    def asked(self, pattern: str) -> int:
        """Number of requests that match."""
        return len(self.ranges_of(pattern))

    def ranges_of(self, pattern: str) -> list[str | None]:
        """Range headers of the requests that match."""
        return [span for request, span in self.requests if re.search(pattern, request)]

    def fault_for(self, request: str) -> Fault:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, request):
                fault.times -= 1
                return fault
        return Fault("")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect; keep other errors for the test."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.bugs.append("".join(traceback.format_exception(error)))

    @contextlib.contextmanager
    def serving(self) -> Iterator[Self]:
        """Serve inside a `with` block."""
        with self:
            thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join()


class FaultyHandler(BaseHTTPRequestHandler):
    """Request handler that sends whole or cut bodies."""

    fault = Fault("")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Print nothing."""

    def send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: self.fault.cut_after])
        if self.fault.cut_after is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)

    def send_ranged(self, content: bytes, headers: dict[str, str] | None = None) -> None:
        """Send the content, or the part from the start of a Range header to the end."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if found is None or self.fault.whole:
            return self.send(content, 200, headers)
        start = int(found[1]) + self.fault.shifted
        if start >= len(content):
            return self.send(b"", 416, {"Content-Range": f"bytes */{len(content)}"})
        self.send(content[start:], 206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"})


class FileServer(FaultyServer):
    """Serves `root` at `url`."""

    def __init__(self, root: pathlib.Path) -> None:
        super().__init__(_FileHandler)
        self.root = root
        self.url = f"http://127.0.0.1:{self.server_port}"


class _FileHandler(FaultyHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        self.fault = self.server.fault_for(self.path)
        path = self.server.root / self.path.lstrip("/")
        if self.fault.status is not None or not path.is_file():
            return self.send(b"", self.fault.status or 404, self.fault.headers)
        self.send_ranged(path.read_bytes())


@contextlib.contextmanager
def served_folder(root: pathlib.Path) -> Iterator[FileServer]:
    """Serve `root` inside a `with` block, with the Hub client's offline mode switched off."""
    with FileServer(root).serving() as server, unittest.mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", False):
        yield server
