"""Many visitors at once on one served page: whether each gets their own result, and what it costs.

``python -m benchmarks.load`` serves the page, lets visitors run mixed jobs for a while, and prints times, memory and
what was lost. Each visitor has a source picture with a corner of their own colour, so that another visitor's result is
noticed. Its exit code is 1 if a result was lost or mixed up.
"""

import collections
import concurrent.futures
import dataclasses
import pathlib
import random
import re
import sys
import tempfile
import threading
import time
from typing import Any, Literal

import httpx
import numpy as np
import tyro

from benchmarks.speed import describe_machine
from benchmarks.visitors import EXAMPLES, PORTRAITS, Answer, Served, Visitor, partial_files, served
from reenact.media import VideoReader, read_image, write_image
from reenact.media.frame import Frame

Kind = Literal["picture", "edit", "clip", "stopped clip", "verify"]
_WEIGHTS: dict[Kind, int] = {"picture": 8, "edit": 4, "clip": 4, "stopped clip": 2, "verify": 2}
"""Out of 20 jobs."""
_CORNER = 24
"""Side in pixels of the corner that no head reaches."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Load:
    """Visit the page."""

    visitors: int = 20
    """All at once."""
    seconds: float = 600.0
    """How long new jobs begin."""
    pause_s: float = 5.0
    """Longest time between two jobs of a visitor."""
    seed: int = 0
    """Of their jobs."""


@dataclasses.dataclass(kw_only=True)
class Seen:
    """What the visitors have seen; shared between threads."""

    ended_s: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict[str, list[float]](list)
    )
    """Times of jobs by their kind."""
    position_s: list[float] = dataclasses.field(default_factory=list[float])
    """Times until the place in the queue was told."""
    page_s: list[float] = dataclasses.field(default_factory=list[float])
    """Times of page loads."""
    refused: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter[str])
    """Messages of the page, by their text."""
    lost: list[str] = dataclasses.field(default_factory=list[str])
    mixed: list[str] = dataclasses.field(default_factory=list[str])


def measure(settings: Load, folder: pathlib.Path) -> tuple[Seen, dict[str, Any]]:
    """Visit a page; what was seen, and figures of the server. `folder` is for its files."""
    seen, ended = Seen(), threading.Event()
    sources = [_own_source(folder, number) for number in range(settings.visitors)]
    with served(folder / "cache") as page, concurrent.futures.ThreadPoolExecutor(settings.visitors + 1) as threads:
        loads = threads.submit(_load_pages, page, seen, ended)
        until = time.monotonic() + settings.seconds
        visits = [
            threads.submit(_visit, page.address, number, sources, settings, until, seen)
            for number in range(len(sources))
        ]
        for visit in visits:
            visit.result()
        ended.set()
        loads.result()
        server = {
            "peak_gb": page.memory_gb(),
            "gb_at_end": page.memory_gb("VmRSS"),
            "tracebacks": page.tracebacks(),
            "partial_files": len(partial_files(folder / "cache")),
        }
    return seen, server


def _own_source(folder: pathlib.Path, number: int) -> tuple[pathlib.Path, Frame]:
    """A portrait with a corner in a colour of its own, and the colour as a small picture."""
    rgb = read_image(PORTRAITS[number % len(PORTRAITS)]).rgb.copy()
    rgb[:_CORNER, :_CORNER] = [(37 * number) % 256, (91 * number + 60) % 256, (149 * number + 120) % 256]
    path = folder / f"visitor{number}.png"
    write_image(path, rgb)
    return path, rgb[:_CORNER, :_CORNER].copy()


def _visit(
    address: str, number: int, sources: list[tuple[pathlib.Path, Frame]], settings: Load, until: float, seen: Seen
) -> None:
    """Run jobs, one after the other, until the time is over."""
    chance, visitor = random.Random(1000 * settings.seed + number), Visitor(address)
    source = visitor.upload(sources[number][0])
    drivers = [
        visitor.upload(EXAMPLES / "driving" / f"actor-{chance.choice(('smile', 'talk', 'nod'))}.{end}")
        for end in ("jpg", "mp4")
    ]
    result: dict[str, Any] | None = None
    while time.monotonic() < until:
        kind = chance.choices([*_WEIGHTS], [*_WEIGHTS.values()])[0]
        kind = "picture" if kind == "verify" and result is None else kind
        name = f"{kind} of visitor {number}"
        try:
            answer = _run(visitor, kind, source, drivers, result, chance)
            seen.ended_s[kind].append(answer.ended_s)
            if answer.position_s is not None:
                seen.position_s.append(answer.position_s)
            if answer.values is None:
                _note_failure(kind, name, answer, seen)
            elif kind == "verify":
                if not str(answer.values[0]["verdict"]).startswith("Made with"):
                    seen.lost.append(f"{name}: {answer.values[0]['verdict']}")
            else:
                result = answer.values[0]
                if _owner(visitor.fetch(result), pathlib.Path(result["path"]).suffix, sources) != number:
                    seen.mixed.append(name)
        except httpx.HTTPError as error:
            seen.lost.append(f"{name}: {type(error).__name__}")
        time.sleep(chance.uniform(0, settings.pause_s))
    visitor.close()


def _run(
    visitor: Visitor,
    kind: Kind,
    source: dict[str, Any],
    drivers: list[dict[str, Any]],
    result: dict[str, Any] | None,
    chance: random.Random,
) -> Answer:
    picture, clip = drivers
    if kind == "verify":
        return visitor.run("/verify", file=result)
    if kind == "edit":
        return visitor.run(
            "/edit", source=source, settings={"12": chance.randint(1, 4), "yaw": chance.randint(-40, 40)}
        )
    if kind == "picture":
        return visitor.run("/reenact_image", source=source, driving=picture)
    if kind == "stopped clip":
        threading.Timer(chance.uniform(0.5, 8), visitor.stop).start()
    return visitor.run("/reenact_video", source=source, driving=clip)


def _note_failure(kind: Kind, name: str, answer: Answer, seen: Seen) -> None:
    """Messages that the page means to give are no loss."""
    if (kind == "stopped clip" and "Stopped" in answer.error) or "queue is full" in answer.error.lower():
        seen.refused[re.sub(r"\d+", "N", answer.error)] += 1
    else:
        seen.lost.append(f"{name}: {answer.error}")


def _owner(content: bytes, suffix: str, sources: list[tuple[pathlib.Path, Frame]]) -> int:
    """Whose corner a result has."""
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(content)
        file.flush()
        if suffix == ".png":
            frame = read_image(file.name).rgb
        else:
            with VideoReader(file.name) as reader:
                *_, frame = reader
    inner = frame[4 : _CORNER - 8, 4 : _CORNER - 8].astype(float).mean((0, 1))
    return int(np.argmin([np.abs(corner.mean((0, 1)) - inner).max() for _, corner in sources]))


def _load_pages(page: Served, seen: Seen, ended: threading.Event) -> None:
    """Load the page as a new browser does: its HTML, what that names, and its description."""
    while not ended.wait(2.0):
        begun = time.monotonic()
        with httpx.Client(base_url=page.address, timeout=60) as web:
            html = web.get("/").raise_for_status().text
            for path in {*re.findall(r'(?:src|href)="(\.?/[^"]+\.(?:js|css))"', html)}:
                web.get(path.removeprefix(".")).raise_for_status()
            web.get("config").raise_for_status()
        seen.page_s.append(time.monotonic() - begun)


def main(settings: Load) -> int:
    """Visit, print, and count what was lost."""
    with tempfile.TemporaryDirectory() as folder:
        seen, server = measure(settings, pathlib.Path(folder))
    print(describe_machine())
    for kind, times in sorted(seen.ended_s.items()):
        print(f"{kind}: {len(times)} jobs, {_spread(times)}")
    print(
        f"place in the queue told: {_spread(seen.position_s)}\npage loads: {len(seen.page_s)}, {_spread(seen.page_s)}"
    )
    print(", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in server.items()))
    print(f"{len(seen.lost)} lost, {len(seen.mixed)} mixed up; messages: {dict(seen.refused)}")
    for line in (*seen.lost, *seen.mixed):
        print(line)
    return len(seen.lost) + len(seen.mixed)


def _spread(times: list[float]) -> str:
    if not times:
        return "none"
    return (
        f"median {np.median(times):.2f} s, 95th percentile {np.quantile(times, 0.95):.2f} s, longest {max(times):.2f} s"
    )


if __name__ == "__main__":
    sys.exit(min(main(tyro.cli(Load)), 1))
