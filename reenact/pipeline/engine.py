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
from reenact.pipeline.source import Source, SourceCache
from reenact.systems.base import Reenactor
from reenact.systems.catalog import DEFAULT_SYSTEM


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """Ready to draw; `reenact_image`, `reenact_video` and `edit_image` take it in place of a system's id."""

    system: Reenactor[Any, Any, Any]
    tracker: Tracker
    device: torch.device
    """Of the system."""
    hidden: nn.Module | None = None
    """Finds hidden parts of faces (`HiddenNetwork`); without it there is no note on them, and nothing is held."""
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
            name=name,
        )


def load_engine(
    system: str | None = None,
    *,
    checkpoint: str | pathlib.Path | None = None,
    tracker: TrackerKind = "own",
    device: str = "auto",
) -> Engine:
    """Load a system and a tracker.

    Args:
        system: a system's id; "correspondence" unless the checkpoint says another.
        checkpoint: a folder, an embedded name or a Hub repository; the system's embedded weights if None.
        tracker: which tracker.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        CheckpointError: weights that are missing or cannot be used.
        ConfigError: no such device, or the checkpoint is of another system.
        MissingDependencyError: the tracker's library is not installed.
    """
    where = select_device(device)
    loaded = load(checkpoint if checkpoint is not None else system or DEFAULT_SYSTEM, device=where)
    if system is not None and loaded.system != system:
        raise ConfigError(
            f"{checkpoint} holds the system {loaded.system!r}, but {system!r} was asked for; give only one of the two."
        )
    return Engine(system=loaded, tracker=load_tracker(tracker, where), device=where, hidden=load_hidden(where))
