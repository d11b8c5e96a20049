"""Distributes files over worker processes. Each file's unit is written atomically, and existing units are kept.

The main process hands out one file at a time, so that it can name the file at which a worker died.
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
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

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
"""Errors of decoders and networks on unexpected content: the file is skipped and the error is logged."""


class WorkError(ReenactError):
    """A worker process has died."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Done:
    """A file is finished or has failed."""

    source: Source
    failure: str = ""
    """Why it could not be read; "" if it is finished."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """Some frames of a file have been processed."""

    source: Source
    frames: int
    """Since the last step."""
    share: float
    """Processed share of the file."""


Event = Done | Step
OnEvent = Callable[[Event], None]


def unit_path(folder: pathlib.Path, source: Source) -> pathlib.Path:
    """Path of a file's unit."""
    return folder / f"{source.unit}.tar"


def work_on(sources: Sequence[Source], folder: pathlib.Path, settings: PrepareSettings, on_event: OnEvent) -> None:
    """Process files, each into one unit.

    Args:
        sources: the files.
        folder: where the units go.
        settings: of the run.
        on_event: called with every `Event`.

    Raises:
        WorkError: a worker died; the text names its file. Finished units stay.
        OutputError: a unit could not be written.
        MissingDependencyError: the teacher is missing.
    """
    count = min(settings.process_count, len(sources))
    if count:
        _Workers(count, folder, settings, on_event).run(list(sources))
    elif sources:
        _work_here(sources, folder, settings, on_event)


def _work_here(sources: Sequence[Source], folder: pathlib.Path, settings: PrepareSettings, on_event: OnEvent) -> None:
    labeller = Labeller(settings.teacher, settings.teacher_file)
    for source in sources:

        def progress(frames: int, share: float, source: Source = source) -> None:
            on_event(Step(source=source, frames=frames, share=share))

        with _single_threaded():
            failure = _work_on_one(source, folder, settings, labeller, progress)
        on_event(Done(source=source, failure=failure))


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """One thread, as in a worker: sums over several threads differ in their last bits."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _work_on_one(
    source: Source, folder: pathlib.Path, settings: PrepareSettings, labeller: Labeller, progress: UnitProgress
) -> str:
    """Write the unit of a file.

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
        return f"{source.path} cannot be processed ({type(error).__name__}: {' '.join(str(error).split())[:200]})."
    return ""


class _Workers:
    """Worker processes that each process one file at a time.

    A worker sends (kind, content): ("ready", ""), ("step", (frames, share)), ("done", failure) or ("stop", error). It
    gets the next source, or None to end.
    """

    def __init__(self, count: int, folder: pathlib.Path, settings: PrepareSettings, on_event: OnEvent) -> None:
        context = multiprocessing.get_context("spawn")
        self._folder, self._on_event = folder, on_event
        self._current: dict[Connection, Source | None] = {}
        """Running workers, and the file of each."""
        self._process: dict[Connection, BaseProcess] = {}
        with _one_thread_per_process():
            for _ in range(count):
                here, there = context.Pipe()
                process = context.Process(target=_run_worker, args=(there, folder, settings), daemon=True)
                process.start()
                there.close()
                self._current[here], self._process[here] = None, process

    def run(self, sources: list[Source]) -> None:
        """Hand out the files until all are done."""
        waiting = sources[::-1]
        try:
            while self._current:
                for connection in multiprocessing.connection.wait(list(self._current)):
                    assert isinstance(connection, Connection)
                    self._handle_message(connection, waiting)
        finally:
            self._end()

    def _handle_message(self, connection: Connection, waiting: list[Source]) -> None:
        source = self._current[connection]
        try:
            kind, content = connection.recv()
        except (EOFError, OSError):
            raise self._death_of(connection, source) from None
        if kind == "stop":
            raise content
        if kind == "step" and source is not None:
            self._on_event(Step(source=source, frames=content[0], share=content[1]))
            return
        if source is not None:
            self._on_event(Done(source=source, failure=content))
        self._current[connection] = waiting.pop() if waiting else None
        try:
            connection.send(self._current[connection])
        except OSError:
            raise self._death_of(connection, None) from None
        if self._current[connection] is None:
            del self._current[connection]

    def _death_of(self, connection: Connection, source: Source | None) -> WorkError:
        process = self._process[connection]
        process.join(5)
        code = process.exitcode
        if code is not None and code < 0:
            how = f"was killed by signal {-code} ({signal.Signals(-code).name}), usually for lack of memory"
        else:
            how = f"ended with exit code {code}; its own message is above"
        task = "without a file" if source is None else f"working on {source.path}"
        return WorkError(
            f"The process {task} {how}. Finished files are kept: run the same command again, with fewer --workers if "
            "memory is short; if it stops at the same file again, move that file away."
        )

    def _end(self) -> None:
        """Stop workers that still run and remove their partial files."""
        busy = list(self._current)
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


@contextlib.contextmanager
def _one_thread_per_process() -> Iterator[None]:
    """Processes started inside run their libraries with one thread each."""
    before = os.environ.copy()
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run_worker(connection: Connection, folder: pathlib.Path, settings: PrepareSettings) -> None:
    """Main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        labeller = Labeller(settings.teacher, settings.teacher_file)
        connection.send(("ready", ""))
        while (source := connection.recv()) is not None:
            failure = _work_on_one(source, folder, settings, labeller, _StepSender(connection))
            connection.send(("done", failure))
    except ReenactError as error:
        with contextlib.suppress(OSError):
            connection.send(("stop", error))
    except (EOFError, OSError):
        pass  # the main process was killed


class _StepSender:
    """Sends progress to the main process, at most every `every_s` seconds."""

    def __init__(self, connection: Connection, every_s: float = 0.5) -> None:
        self._connection, self._every_s = connection, every_s
        self._frames, self._last = 0, time.monotonic()

    def __call__(self, frames: int, share: float) -> None:
        self._frames += frames
        now = time.monotonic()
        if now - self._last >= self._every_s or share >= 1:
            try:
                self._connection.send(("step", (self._frames, share)))
            except OSError:  # the main process was killed, so the result is not needed
                os._exit(1)
            self._frames, self._last = 0, now


def failures(ends: Sequence[Done]) -> list[Rejection]:
    """Rejections of unreadable files, in the order of the files and independent of where the folder lies."""
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
