"""How far a run is, in words."""

import time
from collections.abc import Callable


class Clock:
    """Started when it is made."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """Started.

        Args:
            now: seconds on some clock.
        """
        self._now = now
        self._begun = now()
        self._first: tuple[float, int] | None = None

    def seconds(self) -> float:
        """Since the start."""
        return self._now() - self._begun

    def text(self, done: int, total: int) -> str:
        """Time left, from the rate since the first report: what came before it happens only once."""
        if self._first is None:
            self._first = self._now(), done
        begun, before = self._first
        if done <= before or total <= done:
            return "Drawing"
        left_s = (self._now() - begun) / (done - before) * (total - done)
        return f"Drawing, {left_s / 60:.0f} min left" if left_s >= 90 else f"Drawing, {max(left_s, 1):.0f} s left"
