"""Weights are fetched once, continued where they broke off, and checked; from a server in the test."""

import functools
import hashlib
import http.server
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from reenact.errors import CheckpointError
from reenact.restore.weights import cache_folder, fetch_weights

CONTENT = bytes(range(256)) * 9000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; `most` bytes at a time, then the connection ends."""

    most, ranges, asked = len(CONTENT), True, list[str | None]()

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.asked.append(asked)
        if self.path != "/GFPGANv1.4.pth":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.most])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def handler() -> type[Handler]:
    return type("Fresh", (Handler,), {"asked": []})


@pytest.fixture
def url(handler: type[Handler]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/GFPGANv1.4.pth"
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(folder: pathlib.Path, url: str, **options: Any) -> pathlib.Path:
    return fetch_weights(folder, url=url, **{"sha256": SHA256, "size_bytes": len(CONTENT)} | options)


def test_fetched_once_with_progress(url: str, handler: type[Handler], tmp_path: pathlib.Path) -> None:
    told: list[tuple[int, int, str]] = []
    path = fetch(tmp_path / "cache", url, progress=lambda *state: told.append(state))
    assert path.read_bytes() == CONTENT and path.name == "GFPGANv1.4.pth"
    assert told[-1] == (2, 2, "MB")
    assert fetch(tmp_path / "cache", url) == path and handler.asked == [None]
    assert [each.name for each in path.parent.iterdir()] == ["GFPGANv1.4.pth"]


@pytest.mark.parametrize("ranges", [True, False])
def test_continued_where_the_connection_ended(
    url: str, handler: type[Handler], tmp_path: pathlib.Path, ranges: bool
) -> None:
    handler.most, handler.ranges = 1_000_000, ranges
    with pytest.raises(CheckpointError, match=r"cannot be fetched from http.*; run it again to continue"):
        fetch(tmp_path, url)
    assert (tmp_path / "GFPGANv1.4.pth.part").stat().st_size == 1_000_000
    handler.most = len(CONTENT)
    assert fetch(tmp_path, url).read_bytes() == CONTENT
    assert handler.asked == [None, "bytes=1000000-"]


def test_another_file_is_refused_and_deleted(url: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(CheckpointError, match="is not the file that was expected") as error:
        fetch(tmp_path, url, sha256="0" * 64)
    assert error.value.hint is not None and list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_gives_one_line(url: str, tmp_path: pathlib.Path) -> None:
    for where in (url.replace("GFPGANv1", "other"), "http://127.0.0.1:9/GFPGANv1.4.pth"):
        with pytest.raises(CheckpointError, match="or fetch the file elsewhere and give it") as error:
            fetch(tmp_path, where)
        assert "\n" not in str(error.value)


def test_the_folder_follows_the_settings(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("REENACT_CACHE", raising=False)
    assert cache_folder() == tmp_path / "reenact"
    monkeypatch.setenv("REENACT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
