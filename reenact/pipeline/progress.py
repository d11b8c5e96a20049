"""How a run reports its progress and is stopped."""

from collections.abc import Callable

from reenact.errors import StoppedError

Progress = Callable[[int, int, str], None]
"""Called with the number of frames done, the total (an estimate; 0 if unknown) and the name of the stage:
"preparing" (the source), "tracking" (the driver's neutral frame), then "frames", which are drawn and written."""

ShouldStop = Callable[[], bool]
"""Called before every frame; True stops the run."""


def no_progress(done: int, total: int, stage: str) -> None:
    """No-op callback."""


def never() -> bool:
    """Never stop."""
    return False


def stop_checker(should_stop: ShouldStop) -> Callable[[], None]:
    """A function that raises `StoppedError` once `should_stop` returns True."""

    def raise_if_stopped() -> None:
        if should_stop():
            raise StoppedError("Stopped; nothing was written.")

    return raise_if_stopped
