"""A loaded system and tracker, with the sources that they have encoded."""

import dataclasses
import pathlib
from typing import Any

import torch
from torch import nn

from reenact.errors import ConfigError
from reenact.hub.loading import TrackerKind, load, load_hidden, load_tracker, select_device
from reenact.media.frame import Frame
from reenact.perception.crop import LARGEST_PX, SMALLEST_PX
from reenact.perception.crop_box import CropBox
from reenact.perception.tracking import Tracker
from reenact.pipeline.progress import Progress, no_progress
from reenact.pipeline.source import Source, SourceCache
from reenact.systems.base import Reenactor
from reenact.systems.catalog import DEFAULT_SYSTEM, cannot_tune, find_system

_MOST_TUNE_STEPS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """Ready to draw; `reenact_image`, `reenact_video` and `edit_image` take it in place of a system's id."""

    system: Reenactor[Any, Any, Any]
    tracker: Tracker
    device: torch.device
    """Of the system."""
    hidden: nn.Module | None = None
    """Finds hidden parts of faces (`HiddenNetwork`); without it there is no note on them, and nothing is held."""
    tune_steps: int = 0
    """Steps in which the system is optimised for each source picture; 0 for none."""
    progress: Progress = no_progress
    """Of the tuning."""
    sources: SourceCache = dataclasses.field(default_factory=SourceCache)

    def open_source(
        self,
        frame: Frame,
        *,
        face: int | None = None,
        min_score: float = 0.5,
        largest_px: int = LARGEST_PX,
        paste_back: bool = True,
        crop: CropBox | None = None,
        name: str = "the source",
    ) -> Source:
        """A source, tracked and encoded now or before; see `prepare_source` for arguments and errors."""
        return self.sources.get(
            frame,
            system=self.system,
            tracker=self.tracker,
            face=face,
            min_score=min_score,
            smallest_px=SMALLEST_PX if paste_back else self.system.crop.network_px,
            largest_px=largest_px,
            hidden=self.hidden,
            crop=crop,
            tune_steps=self.tune_steps,
            progress=self.progress,
            name=name,
        )


def load_engine(
    system: str | None = None,
    *,
    checkpoint: str | pathlib.Path | None = None,
    tracker: TrackerKind = "own",
    device: str = "auto",
    tune_steps: int = 0,
    progress: Progress = no_progress,
) -> Engine:
    """Load a system and a tracker.

    Args:
        system: a system's id; "correspondence" unless the checkpoint says another.
        checkpoint: a folder, an embedded name or a Hub repository; the system's embedded weights if None.
        tracker: which tracker.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        tune_steps: steps in which the system is optimised for each source picture, 0 (none) to 1000.
        progress: called after each of these steps.

    Raises:
        CheckpointError: weights that are missing or cannot be used.
        ConfigError: no such device, the checkpoint is of another system, a system that cannot be tuned, or a number of
            steps out of range.
        MissingDependencyError: the tracker's library is not installed.
    """
    where = select_device(device)
    if not 0 <= tune_steps <= _MOST_TUNE_STEPS:
        raise ConfigError(f"{tune_steps} tuning steps were asked for; give a number from 0 to {_MOST_TUNE_STEPS}.")
    if tune_steps and checkpoint is None and not find_system(system or DEFAULT_SYSTEM).can_tune:
        raise cannot_tune(system or DEFAULT_SYSTEM)
    loaded = load(checkpoint if checkpoint is not None else system or DEFAULT_SYSTEM, device=where)
    if system is not None and loaded.system != system:
        raise ConfigError(
            f"{checkpoint} holds the system {loaded.system!r}, but {system!r} was asked for; give only one of the two."
        )
    if tune_steps and not find_system(loaded.system).can_tune:
        raise cannot_tune(loaded.system)
    return Engine(
        system=loaded,
        tracker=load_tracker(tracker, where),
        device=where,
        hidden=load_hidden(where),
        tune_steps=tune_steps,
        progress=progress,
    )
