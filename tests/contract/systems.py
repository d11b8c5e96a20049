"""What the contract suite needs to know of each system: a config of toy size, and how to train it.

A new system joins the suite by one entry in `SYSTEMS_UNDER_TEST`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.dual_generator.config import DualGeneratorConfig
from reenact.systems.facegan.config import FaceganConfig
from reenact.types import CropSpec
from train.data.faces import FaceData
from train.pairs.frames import PairConfig
from train.pairs.turned import TurnedPairConfig
from train.recipes.correspondence.flow import CorrespondenceTask, CorrespondenceTaskConfig
from train.recipes.dual_generator.turned import TurnedFaceTask, TurnedTaskConfig
from train.recipes.facegan.end_to_end import EndToEndTask, EndToEndTaskConfig
from train.run.loop import Task


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
    return CorrespondenceTask(data, data, network, CorrespondenceTaskConfig(pairs=PairConfig(side=64)))


def _facegan_task(data: FaceData) -> Task:
    network = FaceganConfig(crop=CropSpec(network_px=64), widths=(8, 12), mixer_widths=(8, 12), transformer_width=32)
    return EndToEndTask(data, data, network, EndToEndTaskConfig(pairs=PairConfig(side=64)))


_SMALL_DUAL_GENERATOR: dict[str, Any] = {
    "stem": 1,
    "landmark_width": 16,
    "action_code": 8,
    "decoder_width": 16,
    "width": 8,
    "max_width": 16,
    "style": 8,
    "style_px": 64,
    "style_width": 4,
    "style_max_width": 16,
}


def _dual_generator_task(data: FaceData) -> Task:
    network = DualGeneratorConfig(crop=CropSpec(network_px=64), **_SMALL_DUAL_GENERATOR)
    config = TurnedTaskConfig(pairs=TurnedPairConfig(side=64, pool=4, clip_share=1.0))
    return TurnedFaceTask(data, data, network, config)


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
    "dual_generator": SystemUnderTest(
        network={"crop": {"face_scale": 1.95, "shift_up": 0.03, "network_px": 64}, **_SMALL_DUAL_GENERATOR},
        wrong_network={"width": 8, "blocks": 1},
        task=_dual_generator_task,
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
