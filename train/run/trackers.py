"""TensorBoard and trackio through Accelerate's trackers. Neither needs a login."""

import hashlib
import importlib.util
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from accelerate.tracking import GeneralTracker, TensorBoardTracker, TrackioTracker

from reenact.errors import MissingDependencyError

TrackerName = Literal["tensorboard", "trackio", "none"]


def choose_trackers(asked: Sequence[TrackerName] | None) -> tuple[TrackerName, ...]:
    """The trackers asked for; by default TensorBoard, if it is installed.

    Raises:
        MissingDependencyError: one is not installed.
    """
    if asked is None:
        return ("tensorboard",) if is_installed("tensorboard") else ()
    names = tuple(dict.fromkeys(name for name in asked if name != "none"))
    for name in names:
        if not is_installed(name):
            extra = "train" if name == "tensorboard" else "trackio"
            raise MissingDependencyError(
                f'--track {name} needs the library {name}, which is not installed: pip install "reenact[{extra}]", '
                "or leave the option out"
            )
    return names


def is_installed(name: str) -> bool:
    """Whether the library is installed; does not import it."""
    return importlib.util.find_spec(name) is not None


def open_trackers(
    names: Sequence[TrackerName], out: pathlib.Path, step: int, settings: Mapping[str, Any]
) -> list[GeneralTracker]:
    """Start the trackers of a run with `step` finished steps.

    TensorBoard hides later steps that a killed process logged; trackio shows them twice.
    """
    trackers: list[GeneralTracker] = []
    if "tensorboard" in names:
        trackers.append(TensorBoardTracker("tensorboard", out, purge_step=step + 1))
    if "trackio" in names:
        name = f"{out.name}-{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:6]}"
        options = {"resume": "allow", "config": dict(settings), "embed": False, "auto_log_cpu": False}
        trackers.append(TrackioTracker("reenact", name=name, **options))
    for tracker in trackers:
        tracker.start()
    return trackers


def track_picture(tracker: GeneralTracker, rgb: np.ndarray, step: int) -> None:
    """Send a (h, w, 3) uint8 picture of samples."""
    if isinstance(tracker, TensorBoardTracker):
        tracker.log_images({"samples": rgb[None]}, step=step, dataformats="NHWC")
    else:
        import trackio

        tracker.log({"samples": trackio.Image(rgb)}, step=step)
