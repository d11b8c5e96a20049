"""What the contract suite needs to know of each system: a config of toy size, and how to train it.

A new system joins the suite by one entry in `SYSTEMS_UNDER_TEST`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.facegan.config import FaceganConfig
from reenact.types import CropSpec
from train.data import FaceData
from train.loop import Task
from train.pairs import PairConfig, PairSampler
from train.recipes.correspondence import CorrespondenceTask, CorrespondenceTaskConfig
from train.recipes.facegan import EndToEndTask, EndToEndTaskConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class SystemUnderTest:
    """One system."""

    network: dict[str, Any]
    """The "network" section of a config.json: as small as it gets, `network_px` 64."""
    wrong_network: dict[str, Any]
    """One that must be refused."""
    task: Callable[[FaceData], Task]
    """Its recipe's task on a labelled set, of toy size."""


def _correspondence_task(data: FaceData) -> Task:
    network = CorrespondenceConfig(crop=CropSpec(network_px=64), widths=(8, 12, 16), match_width=8)
    return CorrespondenceTask(data, data, network, CorrespondenceTaskConfig(side=64))


def _facegan_task(data: FaceData) -> Task:
    network = FaceganConfig(crop=CropSpec(network_px=64), widths=(8, 12), mixer_widths=(8, 12), transformer_width=32)
    return EndToEndTask(PairSampler(data, PairConfig(side=64)), data, network, EndToEndTaskConfig(), 64)


SYSTEMS_UNDER_TEST = {
    "correspondence": SystemUnderTest(
        network={
            "crop": {"face_scale": 1.95, "shift_up": 0.03, "network_px": 64},
            "widths": [8, 12, 16],
            "blocks": 1,
            "match_width": 8,
        },
        wrong_network={"widths": [8, 12, 16], "heads": 4},
        task=_correspondence_task,
    ),
    "facegan": SystemUnderTest(
        network={
            "crop": {"face_scale": 1.95, "shift_up": 0.03, "network_px": 64},
            "widths": [8, 12],
            "mixer_widths": [8, 12],
            "transformer_width": 32,
        },
        wrong_network={"widths": [8, 12], "match_width": 8},
        task=_facegan_task,
    ),
}
