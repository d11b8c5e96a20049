"""Whether a stranger's file can break the program: every one is read, or refused with one line.

``python -m benchmarks.hostile`` gives all files of `benchmarks.hostile_files` to the readers, the command line and the
page, and prints those that caused a traceback, a crash, a wait or a file that stayed. Its exit code is 1 if there are
any.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import io
import json
import multiprocessing
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import httpx
import tyro

from benchmarks.hostile_files import Hostile, hostile_files
from benchmarks.visitors import EXAMPLES, served
from reenact import cli
from reenact.cli.edit import read_settings, read_text
from reenact.errors import ReenactError
from reenact.media import VideoReader, kind_of, read_image
from reenact.media.probe import pixel_size
from reenact.pipeline.controls.keyframes import KeyFrames
from reenact.pipeline.motions.playing import open_driving
from reenact.pipeline.motions.template import read_template

PORTRAIT, DRIVING = EXAMPLES / "portraits" / "astronaut.jpg", EXAMPLES / "driving" / "actor-wink.jpg"
Way = Literal["readers", "cli", "page"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack:
    """Give hostile files to the program."""

    through: tuple[Way, ...] = ("readers", "cli", "page")
    """Which ways."""
    seed: int = 0
    """Of the damage."""
    only: str = ""
    """A part of the names of the files that are used; all if empty."""
    longest_s: float = 20.0
    """Time that a file may take on each way."""
    memory_gb: float = 12.0
    """Address space of the process that works on them."""


def read_clip(path: pathlib.Path, *, most: int = 100) -> None:
    """The first frames of a clip."""
    with VideoReader(path) as reader:
        for _ in zip(range(most), reader, strict=False):
            pass


def read_motion(path: pathlib.Path) -> None:
    """What drives."""
    with open_driving(path) as driving:
        assert driving.info.frame_count >= 0


READERS: dict[str, Callable[[pathlib.Path], Any]] = {
    "picture": read_image,
    "kind": kind_of,
    "size": pixel_size,
    "clip": read_clip,
    "motion": read_motion,
    "template": read_template,
    "settings": read_settings,
    "key frames": lambda path: KeyFrames.from_json(read_text(path, what="key frames"), name=str(path)),
}


def through_readers(path: pathlib.Path) -> str:
    """Give a file to every reader.

    Returns:
        "read" if one of them took it, else "refused".

    Raises:
        Exception: what a reader should have turned into an error for the user.
    """
    taken = 0
    for name, read in READERS.items():
        try:
            found = read(path)
            taken += name != "size" or found != (0, 0)
        except ReenactError as error:
            check_line(str(error).replace(str(path), "FILE"))
    return "read" if taken else "refused"


def through_cli(path: pathlib.Path) -> str:
    """Give a file to the commands that take its kind, in this process; the same answers."""
    taken = 0
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        for number, words in enumerate(_commands(path)):
            result = out / f"{number}.{'png' if words[0] in ('image', 'edit') else 'mp4'}"
            said = io.StringIO()
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
                code = cli.main([*words, "-o", str(result)])
            left = [each.name for each in out.iterdir() if each.name != result.name and each.stem >= str(number)]
            if code not in (0, 2) or "Internal error" in said.getvalue() or left:
                raise AssertionError(f"{words[0]}: code {code}, {said.getvalue()}, left {left}")
            if code == 2:
                check_line(said.getvalue().rstrip("\n"))
            taken += code == 0
    return "read" if taken else "refused"


def _commands(path: pathlib.Path) -> Iterator[list[str]]:
    """Commands that take a file, but for the output."""
    name = str(path)
    if path.suffix == ".json":
        yield ["edit", str(PORTRAIT), "--load", name]
        yield ["edit", str(PORTRAIT), "--keyframes", name]
    elif path.suffix == ".safetensors":
        yield ["video", str(PORTRAIT), name, "--to", "0.1"]
    else:
        yield ["image", name, str(DRIVING)]
        yield ["video", str(PORTRAIT), name, "--to", "0.1"]


def check_line(text: str) -> None:
    """An answer to a user is one short line."""
    if not text or "\n" in text or len(text) > 1000 or "Traceback" in text:
        raise AssertionError(f"not one short line: {text[:300]!r}")


@dataclasses.dataclass(frozen=True)
class PageAttack:
    """The page as a program sees it."""

    address: str
    folder: pathlib.Path
    """Of uploads and results."""

    def __call__(self, path: pathlib.Path) -> str:
        """Upload a file and run the endpoint that takes its kind; the same answers as `through_readers`."""
        with httpx.Client(base_url=self.address, timeout=60) as web:
            return self._answer(web, path)

    def _answer(self, web: httpx.Client, path: pathlib.Path) -> str:
        file, portrait = self._uploaded(web, path), self._uploaded(web, PORTRAIT)
        if file is None or portrait is None:
            return "refused"
        endpoint, body = "reenact_image", json.dumps({"source": file, "driving": file}).encode()
        if path.suffix == ".json":
            endpoint, body = (
                "edit",
                b'{"source": %s, "settings": %s}' % (json.dumps(portrait).encode(), path.read_bytes()),
            )
        elif path.suffix == ".safetensors":
            driven = {"source": portrait, "driver": "file", "template": file, "end": "0.1"}
            endpoint, body = "reenact_video", json.dumps(driven).encode()
        elif path.suffix in (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts"):
            driven = {"source": portrait, "driving": file, "end": "0.1"}
            endpoint, body = "reenact_video", json.dumps(driven).encode()
        before = set(self._results())
        headers = {"Content-Type": "application/json"}
        joined = web.post(f"gradio_api/call/v2/{endpoint}", content=body, headers=headers)
        if joined.status_code in (400, 413, 422):
            return "refused"
        job = joined.raise_for_status().json()["event_id"]
        last = web.get(f"gradio_api/call/{endpoint}/{job}").text.strip().rpartition("event: ")[2]
        kind, _, data = last.partition("\ndata: ")
        if kind == "complete":
            return "read"
        said = str((json.loads(data) or {}).get("error"))
        check_line(said)
        if "Internal error" in said or said == "None" or str(self.folder) in said or set(self._results()) != before:
            raise AssertionError(f"page: {said}")
        return "refused"

    def _uploaded(self, web: httpx.Client, path: pathlib.Path) -> dict[str, Any] | None:
        sent = web.post("gradio_api/upload", files={"files": (path.name, path.read_bytes())})
        return {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}} if sent.status_code == 200 else None

    def _results(self) -> Iterator[pathlib.Path]:
        return (each for each in (self.folder / "results").rglob("*") if each.is_file())


def main(attack: Attack) -> int:
    """Attack, print, and count what went wrong."""
    files = [file for file in hostile_files(attack.seed) if attack.only in file.name]
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for way in attack.through:
            with _worker_for(way, attack, pathlib.Path(folder)) as work:
                failures += _attack(way, files, pathlib.Path(folder), attack, work)
    return failures


def _attack(way: str, files: list[Hostile], folder: pathlib.Path, attack: Attack, work: "_Worker") -> int:
    counts, slowest, failures = collections.Counter[str](), (0.0, ""), 0
    given = folder / way
    given.mkdir()
    for file in files:
        path = given / file.name
        path.write_bytes(file.content)
        begun = time.perf_counter()
        answer = work.ask(path, attack.longest_s)
        slowest = max(slowest, (time.perf_counter() - begun, file.name))
        if answer not in ("read", "refused"):
            failures += 1
            print(f"{way}: {file.name!r}: {answer}", flush=True)
        counts[answer if answer in ("read", "refused") else "failed"] += 1
        if path.read_bytes() != file.content or len(list(given.iterdir())) != 1:
            failures += 1
            print(f"{way}: {file.name!r}: changed the folder of its input")
        path.unlink()
    told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"{way}: {len(files)} files, {told}; slowest {slowest[0]:.1f} s, {slowest[1]!r}")
    return failures


class _Worker:
    """A process that works on files one by one, replaced when it crashes or hangs."""

    def __init__(self, work: Callable[[pathlib.Path], str], memory_gb: float) -> None:
        self._work, self._memory_gb = work, memory_gb
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def ask(self, path: pathlib.Path, longest_s: float) -> str:
        if self._pool is None:
            context = multiprocessing.get_context("fork")
            self._pool = concurrent.futures.ProcessPoolExecutor(
                1, mp_context=context, initializer=_limit, initargs=(self._memory_gb,)
            )
        try:
            return self._pool.submit(_answered, self._work, path).result(timeout=longest_s)
        except (concurrent.futures.TimeoutError, concurrent.futures.BrokenExecutor) as error:
            self.end()
            return f"more than {longest_s:g} s" if isinstance(error, TimeoutError) else "the process died"

    def end(self) -> None:
        if self._pool is not None:
            for process in self._pool._processes.values():
                process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _limit(memory_gb: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_gb * 2**30), -1))


def _answered(work: Callable[[pathlib.Path], str], path: pathlib.Path) -> str:
    try:
        return work(path)
    except Exception as error:  # noqa: BLE001 - any of them is a finding
        return f"{type(error).__name__}: {str(error)[:300]}"


@contextlib.contextmanager
def _worker_for(way: Way, attack: Attack, folder: pathlib.Path) -> Iterator[_Worker]:
    if way == "page":
        with served(folder / "cache") as page:
            worker = _Worker(PageAttack(page.address, folder / "cache"), attack.memory_gb)
            yield worker
            worker.end()
        print(f"page: {page.tracebacks()} tracebacks in the server's log")
        return
    worker = _Worker(through_readers if way == "readers" else through_cli, attack.memory_gb)
    try:
        yield worker
    finally:
        worker.end()


if __name__ == "__main__":
    sys.exit(min(main(tyro.cli(Attack)), 1))
