"""The log of a run, written by the main process: ``log.jsonl``, terminal and trackers."""

import json
import math
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import cv2
import numpy as np
from accelerate.tracking import GeneralTracker

from reenact.media.output import disk_errors, replacing
from train.run.trackers import track_picture


class Logbook:
    """Figures and sample pictures.

    Args:
        out: run folder; gets ``log.jsonl`` and ``samples/``.
        trackers: also get figures and pictures.
        step: finished steps; later lines, left by a killed process, are removed.
        active: False on all but the main process: nothing is written.
    """

    def __init__(self, out: pathlib.Path, trackers: Sequence[GeneralTracker], step: int, active: bool) -> None:
        self.out, self.trackers, self.active = out, trackers, active
        if active:
            out.mkdir(parents=True, exist_ok=True)
            rewind_log(out / "log.jsonl", step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for tracker in self.trackers if self.active else ():
            tracker.finish()

    def write(self, step: int, line: Mapping[str, Any]) -> None:
        """One line of ``log.jsonl``; nested figures (``validation``) reach the trackers as ``validation/psnr``."""
        if not self.active:
            return
        line = _rounded(line)
        text = json.dumps({"step": step} | line)
        with disk_errors(self.out / "log.jsonl"), (self.out / "log.jsonl").open("a") as file:
            file.write(text + "\n")
        print(text, flush=True)
        figures = _flatten(line)
        for tracker in self.trackers:
            tracker.log(figures, step=step)

    def draw(self, step: int, rgb: np.ndarray | None) -> None:
        """Write a (h, w, 3) uint8 RGB picture of samples to ``samples/STEP.png``, if there is one."""
        if not self.active or rgb is None:
            return
        folder = self.out / "samples"
        folder.mkdir(parents=True, exist_ok=True)
        png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()
        with replacing(folder / f"{step:06d}.png", overwrite=True) as partial:
            partial.write_bytes(png)
        for tracker in self.trackers:
            track_picture(tracker, rgb, step)


def rewind_log(path: pathlib.Path, step: int) -> None:
    """Remove lines of steps beyond `step`, and an incomplete last line."""
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith(b"\n") and _step_of(line) <= step]
    if kept != lines:
        with replacing(path, overwrite=True) as partial:
            partial.write_bytes(b"".join(kept))


def _step_of(line: bytes) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _rounded(line: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers with seven digits, the precision of float32; numbers that are not finite become null."""

    def rounded(value: Any) -> Any:
        if isinstance(value, Mapping):
            return _rounded(value)
        if isinstance(value, float):
            return float(f"{value:.7g}") if math.isfinite(value) else None
        return value

    return {name: rounded(value) for name, value in line.items()}


def _flatten(figures: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat[prefix + name] = value
    return flat


class Pace:
    """Throughput, share of time spent waiting for data, and time left.

    Args:
        step: finished steps at the start.
        steps: of the whole run.
        samples_per_step: over all processes.
    """

    def __init__(self, step: int, steps: int, samples_per_step: int) -> None:
        self.first_step, self.steps, self.samples_per_step = step, steps, samples_per_step
        self.began = self._window_began = time.perf_counter()
        self._window_step, self._waited_s, self._paused_s = step, 0.0, 0.0

    def leave_out(self, seconds: float) -> None:
        """Exclude time for validation and checkpoints from the throughput."""
        self._paused_s += seconds

    def read(self, step: int, waited_s: float) -> dict[str, float]:
        """Figures since the last reading.

        Args:
            step: finished steps.
            waited_s: total time spent waiting for batches.
        """
        now = time.perf_counter()
        window_s = max(now - self._window_began - self._paused_s, 1e-9)
        rate = (step - self._window_step) * self.samples_per_step / window_s
        left_s = (self.steps - step) * (now - self.began) / (step - self.first_step)
        figures = {
            "samples_per_s": round(rate, 1),
            "data_share": round((waited_s - self._waited_s) / window_s, 3),
            "minutes_left": round(left_s / 60, 1),
        }
        self._window_began, self._window_step = now, step
        self._waited_s, self._paused_s = waited_s, 0.0
        return figures
