"""Files dealt out to processes. Each file's result is written whole or not at all; what is there is not done again.

This process hands out one file at a time and listens; it knows at any moment who works on what, so that the file at
which a process died can be named.
"""

import contextlib
import dataclasses
import logging
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, Literal

import cv2
import torch

from reenact.errors import OutputError, ReenactError
from train.prepare.filters import Rejection
from train.prepare.labels import Labeller
from train.prepare.settings import PrepareSettings
from train.prepare.sources import Source
from train.prepare.unit import UnitProgress, write_unit

_log = logging.getLogger(__name__)

_BAD_FILE = (cv2.error, ValueError, ArithmeticError, LookupError, RuntimeError)
"""What decoders and networks raise for content that nobody foresaw: the file is skipped, with its error in the log."""


class WorkError(ReenactError):
    """A process that works on files has died."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Done:
    """A file is finished, or was given up."""

    source: Source
    failure: str = ""
    """Why it could not be read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """Some frames of a file have been worked on."""

    source: Source
    frames: int
    share: float
    """Of the file that is done."""


Event = Done | Step
Tell = Callable[[Event], None]
_Message = tuple[Literal["ready", "step", "done", "failed", "stop"], Any]


def unit_path(folder: pathlib.Path, source: Source) -> pathlib.Path:
    """Where the result of a file is kept."""
    return folder / f"{source.unit}.tar"


def work_on(sources: Sequence[Source], folder: pathlib.Path, settings: PrepareSettings, tell: Tell) -> None:
    """Work on files, each to its own result.

    Args:
        sources: the files.
        folder: of the results.
        settings: of the run.
        tell: called with every `Event`.

    Raises:
        WorkError: a process died; the text names its file. Finished results stay.
        OutputError: a result could not be written.
        MissingDependencyError: the teacher is absent.
    """
    count = min(settings.process_count, len(sources))
    if count:
        _Crew(count, folder, settings, tell).run(list(sources))
    elif sources:
        _work_here(sources, folder, settings, tell)


def _work_here(sources: Sequence[Source], folder: pathlib.Path, settings: PrepareSettings, tell: Tell) -> None:
    labeller = Labeller(settings.teacher, settings.teacher_file)
    for source in sources:
        with _single_threaded():
            failure = _work_on_one(source, folder, settings, labeller, _steps_of(source, tell))
        tell(Done(source=source, failure=failure))


def _steps_of(source: Source, tell: Tell) -> UnitProgress:
    def progress(frames: int, share: float) -> None:
        tell(Step(source=source, frames=frames, share=share))

    return progress


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """As in a process of its own: sums over several threads differ in their last bits."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _work_on_one(
    source: Source,
    folder: pathlib.Path,
    settings: PrepareSettings,
    labeller: Labeller,
    progress: UnitProgress,
) -> str:
    """Write the result of a file.

    Returns:
        "", or why the file cannot be read.
    """
    try:
        write_unit(source, unit_path(folder, source), labeller, settings, progress)
    except OutputError:
        raise
    except ReenactError as error:
        return str(error)
    except _BAD_FILE as error:
        _log.warning("%s is skipped", source.path, exc_info=True)
        return f"{source.path} cannot be worked on ({type(error).__name__}: {' '.join(str(error).split())[:200]})."
    return ""


class _Crew:
    """Processes, each with at most one file in hand."""

    def __init__(self, count: int, folder: pathlib.Path, settings: PrepareSettings, tell: Tell) -> None:
        context = multiprocessing.get_context("spawn")
        self._folder, self._tell = folder, tell
        self._in_hand: dict[multiprocessing.connection.Connection, Source | None] = {}
        self._process: dict[multiprocessing.connection.Connection, BaseProcess] = {}
        with _one_thread():
            for _ in range(count):
                here, there = context.Pipe()
                process = context.Process(target=_serve, args=(there, folder, settings), daemon=True)
                process.start()
                there.close()
                self._in_hand[here], self._process[here] = None, process

    def run(self, sources: list[Source]) -> None:
        """Deal out the files until all are done."""
        waiting = sources[::-1]
        try:
            while self._in_hand:
                for connection in multiprocessing.connection.wait(list(self._in_hand)):
                    assert isinstance(connection, multiprocessing.connection.Connection)
                    self._listen(connection, waiting)
        finally:
            self._dismiss()

    def _listen(self, connection: multiprocessing.connection.Connection, waiting: list[Source]) -> None:
        source = self._in_hand[connection]
        try:
            kind, content = connection.recv()
        except (EOFError, OSError):
            raise self._death(connection, source) from None
        if kind == "stop":
            raise content
        if kind == "step" and source is not None:
            self._tell(Step(source=source, frames=content[0], share=content[1]))
            return
        if source is not None:
            self._tell(Done(source=source, failure=content))
        self._in_hand[connection] = waiting.pop() if waiting else None
        try:
            connection.send(self._in_hand[connection])
        except OSError:
            raise self._death(connection, None) from None
        if self._in_hand[connection] is None:
            del self._in_hand[connection]

    def _death(self, connection: multiprocessing.connection.Connection, source: Source | None) -> WorkError:
        process = self._process[connection]
        process.join(5)
        code = process.exitcode
        if code is not None and code < 0:
            how = f"was killed by signal {-code} ({signal.Signals(-code).name}), mostly a sign of too little memory"
        else:
            how = f"ended with exit code {code}; its own words stand above"
        task = "with no file in hand" if source is None else f"working on {source.path}"
        return WorkError(
            f"The process {task} {how}. What is finished is kept: run the same command again, with fewer --workers if "
            "memory is short; if it stops at the same file again, move that file away."
        )

    def _dismiss(self) -> None:
        """End whoever still works: the run is over, by its end or by an error."""
        busy = list(self._in_hand)
        for connection in busy:
            self._process[connection].terminate()
        for connection, process in self._process.items():
            process.join(10 if connection in busy else 30)
            if process.is_alive():
                process.kill()
                process.join()
            connection.close()
            for partial in self._folder.glob(f".*.{process.pid}.tar*"):
                partial.unlink(missing_ok=True)


class _one_thread:
    """Processes started inside run their libraries with one thread each."""

    _NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._NAMES}
        os.environ.update(dict.fromkeys(self._NAMES, "1"))

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _serve(connection: multiprocessing.connection.Connection, folder: pathlib.Path, settings: PrepareSettings) -> None:
    """The life of a process: files come in, results go to the folder, word of them goes back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that deals out
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        labeller = Labeller(settings.teacher, settings.teacher_file)
        connection.send(("ready", ""))
        while (source := connection.recv()) is not None:
            failure = _work_on_one(source, folder, settings, labeller, _Sender(connection))
            connection.send(("done", failure))
    except ReenactError as error:
        with contextlib.suppress(OSError):
            connection.send(("stop", error))
    except (EOFError, OSError):
        pass  # nobody listens any more: the process that deals out was killed


class _Sender:
    """Sends word of frames, but not too often."""

    def __init__(self, connection: multiprocessing.connection.Connection, every_s: float = 0.5) -> None:
        self._connection, self._every_s = connection, every_s
        self._frames, self._last = 0, time.monotonic()

    def __call__(self, frames: int, share: float) -> None:
        self._frames += frames
        now = time.monotonic()
        if now - self._last >= self._every_s or share >= 1:
            try:
                self._connection.send(("step", (self._frames, share)))
            except OSError:  # nobody listens any more; the result would be thrown away
                os._exit(1)
            self._frames, self._last = 0, now


def failures(ends: Sequence[Done]) -> list[Rejection]:
    """Rejections of the files that could not be read, in the order of the files, wherever their folder lies."""
    rejections = [
        Rejection(
            origin=end.source.origin,
            reason="unreadable",
            detail=end.failure.replace(str(end.source.path), end.source.origin),
        )
        for end in ends
        if end.failure
    ]
    return sorted(rejections, key=lambda one: (one.origin, one.detail))
