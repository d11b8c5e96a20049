"""How a run tells where it is, is told to end, and what it says of its results."""

from collections.abc import Callable

from reenact.errors import StoppedError

Progress = Callable[[int, int, str], None]
"""Called with frames done, frames in all (an estimate; 0 if unknown) and the name of the stage."""

ShouldStop = Callable[[], bool]
"""Asked before every frame."""


COMMENT = "Synthetic: a face reenacted by the program reenact"
"""Written into the metadata of results."""


def no_progress(done: int, total: int, stage: str) -> None:
    """Nobody looks."""


def never() -> bool:
    """Nobody stops it."""
    return False


def checkpoint(should_stop: ShouldStop) -> Callable[[], None]:
    """A function that raises `StoppedError` once `should_stop` says so."""

    def check() -> None:
        if should_stop():
            raise StoppedError("Stopped; nothing was written.")

    return check


def frame_ranges(frames: list[int], *, most: int = 6) -> str:
    """Numbers as text: "3", "5 to 9"; after `most` ranges the rest is counted."""
    ranges: list[tuple[int, int]] = []
    for frame in frames:
        if ranges and frame == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], frame
        else:
            ranges.append((frame, frame))
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in ranges]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more ranges" if len(texts) > most else "")
