"""What ``kill -9`` of the server loses: the jobs that it was drawing, and nothing else.

``python -m benchmarks.kills`` serves the page, gives it jobs of several visitors at once, kills it at another moment of
each round, serves it again on the same folder, and looks at what is there. Its exit code is 1 if a finished result is
gone or damaged, or a partial file stays.
"""

import concurrent.futures
import contextlib
import dataclasses
import pathlib
import random
import sys
import tempfile
import time
from typing import Any

import httpx
import tyro

from benchmarks.visitors import EXAMPLES, PORTRAITS, Served, Visitor, partial_files, served
from reenact.media import VideoReader, read_image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kills:
    """Kill the server while it draws, and serve again."""

    rounds: int = 4
    """Kills."""
    jobs: int = 20
    """Jobs of a round, all at once: pictures, edits and clips."""
    seed: int = 0
    """Of the moments."""


@dataclasses.dataclass(kw_only=True)
class Found:
    """What was counted."""

    kills: int = 0
    finished: int = 0
    """Results that had been answered when the server was killed."""
    cut: int = 0
    """Jobs that ended with the server."""
    writing: int = 0
    """Partial files at the moment of a kill."""
    lost: list[str] = dataclasses.field(default_factory=list[str])
    """Finished results that are gone or damaged after the start."""
    left: list[str] = dataclasses.field(default_factory=list[str])
    """Files beside the finished results after the start: partial or damaged ones."""


def measure(settings: Kills, cache: pathlib.Path) -> Found:
    """Kill and serve again; `cache` is the folder of uploads and results."""
    moments, found = random.Random(settings.seed), Found()
    results: dict[str, bytes] = {}
    for _ in range(settings.rounds):
        with served(cache) as page, concurrent.futures.ThreadPoolExecutor(settings.jobs) as threads:
            _check(page, cache, results, found)
            jobs = [threads.submit(_job, page.address, number, results) for number in range(settings.jobs)]
            # somewhere in a clip that is being written, after some results are there
            enough = len(results) + moments.randrange(1, max(settings.jobs // 2, 2))
            _wait(lambda enough=enough: len(results) >= enough and bool(partial_files(cache)))
            time.sleep(moments.uniform(0, 0.5))
            found.writing += len(partial_files(cache))
            page.process.kill()
            page.process.wait()
            found.kills += 1
            found.cut += sum(not job.result() for job in jobs)
    with served(cache) as page:
        _check(page, cache, results, found)
    found.finished = len(results)
    return found


def _job(address: str, number: int, results: dict[str, bytes]) -> bool:
    """A visitor's job; whether its result came. It is kept by its path."""
    with contextlib.suppress(httpx.HTTPError):
        visitor = Visitor(address)
        source = visitor.upload(PORTRAITS[number % len(PORTRAITS)])
        driver = EXAMPLES / "driving" / "actor-nod"
        values: dict[str, Any]
        if number % 4 == 0:
            endpoint, values = "/reenact_video", {"driving": visitor.upload(driver.with_suffix(".mp4"))}
        elif number % 4 == 1:
            endpoint, values = "/edit", {"settings": {"yaw": 10 + number}}
        else:
            endpoint, values = "/reenact_image", {"driving": visitor.upload(driver.with_suffix(".jpg"))}
        answer = visitor.run(endpoint, source=source, **values)
        if answer.values is None:
            return False
        results[answer.values[0]["path"]] = visitor.fetch(answer.values[0])
        return True
    return False


def _check(page: Served, cache: pathlib.Path, results: dict[str, bytes], found: Found) -> None:
    """Whether a new server has all finished results and nothing that was begun."""
    _wait(lambda: not partial_files(cache), seconds=90)
    visitor = Visitor(page.address)
    for path, content in results.items():
        with contextlib.suppress(httpx.HTTPError):
            if visitor.fetch({"path": path}) == content:
                continue
        found.lost.append(path)
    visitor.close()
    # a result may have been complete before its visitor heard of it, but then it is whole
    others = [each for each in (cache / "results").rglob("*") if each.is_file() and str(each) not in results]
    found.left += [str(each) for each in others if not _is_whole(each)]


def _is_whole(path: pathlib.Path) -> bool:
    if path.suffix not in (".png", ".mp4"):
        return False
    if path.suffix == ".png":
        return read_image(path).rgb.size > 0
    with VideoReader(path) as reader:
        return sum(1 for _ in reader) == reader.info.frame_count


def _wait(for_what: Any, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not for_what() and time.monotonic() < deadline:
        time.sleep(0.02)


def main(settings: Kills) -> int:
    """Kill, print, and count what was lost or left."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(settings, pathlib.Path(folder) / "cache")
    print(
        f"{found.kills} kills with {found.writing} files half written and {found.cut} jobs cut; "
        f"{found.finished} finished results: {len(found.lost)} lost; {len(found.left)} partial or damaged files left"
    )
    for path in (*found.lost, *found.left):
        print(path)
    return len(found.lost) + len(found.left)


if __name__ == "__main__":
    sys.exit(min(main(tyro.cli(Kills)), 1))
