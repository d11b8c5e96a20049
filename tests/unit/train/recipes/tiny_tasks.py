"""A task of toy size for each recipe, on a set in memory."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from reenact.perception.detector import DetectorConfig
from reenact.perception.hidden import HiddenConfig
from reenact.perception.identity import IdentityConfig
from reenact.perception.parser import ParserConfig
from reenact.perception.tracker import TrackerConfig
from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.dual_generator.config import DualGeneratorConfig
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.latent_directions.config import LatentDirectionsConfig
from reenact.types import CropSpec
from train.data.faces import FaceData
from train.pairs.frames import PairConfig
from train.pairs.shapes import ShapePairConfig
from train.pairs.turned import TurnedPairConfig
from train.recipes.correspondence.flow import CorrespondenceTask, CorrespondenceTaskConfig
from train.recipes.dual_generator.face import FaceTask, FaceTaskConfig
from train.recipes.dual_generator.shape import ShapeTask, ShapeTaskConfig
from train.recipes.dual_generator.turned import TurnedFaceTask, TurnedTaskConfig
from train.recipes.facegan.background import BackgroundTask, BackgroundTaskConfig
from train.recipes.facegan.end_to_end import EndToEndTask, EndToEndTaskConfig
from train.recipes.facegan.landmarks import LandmarkTask, LandmarkTaskConfig
from train.recipes.facegan.reenactor import FaceReenactorTask, ReenactorTaskConfig
from train.recipes.latent_directions.directions import DirectionsTask
from train.recipes.latent_directions.generator import GeneratorTask, GeneratorTaskConfig
from train.recipes.latent_directions.inversion import InversionTask
from train.recipes.latent_directions.joint import JointTask
from train.recipes.latent_directions.parts import PartTaskConfig
from train.recipes.latent_directions.people import PeopleTask, PeopleTaskConfig
from train.recipes.latent_directions.refine import RefineTask, RefineTaskConfig
from train.recipes.latent_directions.task import ValidationConfig
from train.recipes.perception.detector import DetectorTask, DetectorTaskConfig
from train.recipes.perception.hidden import HiddenTask, HiddenTaskConfig
from train.recipes.perception.identity import IdentityTask, IdentityTaskConfig
from train.recipes.perception.parser import ParserTask, ParserTaskConfig
from train.recipes.perception.tracker import TrackerTask, TrackerTaskConfig

SIDE = 64
CROP = CropSpec(network_px=SIDE)
PAIRS = PairConfig(side=SIDE)

DETECTOR = DetectorConfig(stem=(4, 8), widths=(8, 16, 16), blocks=(1, 1, 1), neck=8)
TRACKER = TrackerConfig(widths=(4, 8, 8, 8, 8), code=16)
IDENTITY = IdentityConfig(widths=(4, 8, 8, 8), blocks=(1, 1, 1))
PARSER = ParserConfig(widths=(4, 8, 8, 8), decoder=(8, 8, 8))
CORRESPONDENCE = CorrespondenceConfig(crop=CROP, widths=(8, 12, 16), match_width=8)
FACEGAN = FaceganConfig(crop=CROP, transformer_width=32, widths=(8, 12, 16), mixer_widths=(8, 12, 16))
DUAL_GENERATOR = DualGeneratorConfig(
    crop=CROP,
    landmark_width=32,
    action_code=8,
    decoder_width=32,
    stem=2,
    width=8,
    max_width=16,
    style=12,
    style_px=64,
    style_width=4,
    style_max_width=8,
)
LATENT = LatentDirectionsConfig(
    widths=(8, 8, 6, 4),
    latent=16,
    mapping_layers=2,
    encoder_widths=(4, 6, 8),
    encoder_hidden=12,
    directed_layers=4,
    expressions=5,
    feature_widths=(4, 6),
    refined_side=8,
)
NO_LOOK: dict[str, Any] = {"perceptual": 0.0, "adversarial": 0.0, "feature_matching": 0.0}
"""Neither features nor a critic."""
FEW = ValidationConfig(per_clip=2, stills=2, drawn=8)
PAPER_FORM = dataclasses.replace(DUAL_GENERATOR, source_features=False)


def face_task(faces: FaceData, network: DualGeneratorConfig = PAPER_FORM, **change: Any) -> FaceTask:
    return FaceTask(faces, faces, network, FaceTaskConfig(pairs=PAIRS, **change))


def shape_task(faces: FaceData, network: DualGeneratorConfig = DUAL_GENERATOR, **change: Any) -> ShapeTask:
    return ShapeTask(faces, faces, network, ShapeTaskConfig(pairs=ShapePairConfig(pool=24), **change))


def turned_task(faces: FaceData, **change: Any) -> TurnedFaceTask:
    config = TurnedTaskConfig(
        pairs=TurnedPairConfig(side=SIDE, pool=4), validation_pairs=2, critic_width=4, **NO_LOOK | change
    )
    return TurnedFaceTask(faces, faces, DUAL_GENERATOR, config)


def correspondence_task(faces: FaceData, **change: Any) -> CorrespondenceTask:
    config = CorrespondenceTaskConfig(pairs=PAIRS, critic_width=4, **NO_LOOK | change)
    return CorrespondenceTask(faces, faces, CORRESPONDENCE, config)


def landmark_task(faces: FaceData, network: FaceganConfig = FACEGAN) -> LandmarkTask:
    return LandmarkTask(faces, faces, network, LandmarkTaskConfig())


def reenactor_task(faces: FaceData, network: FaceganConfig = FACEGAN, **change: Any) -> FaceReenactorTask:
    return FaceReenactorTask(
        faces, faces, network, ReenactorTaskConfig(pairs=PAIRS, critic_width=4, **NO_LOOK | change)
    )


def background_task(faces: FaceData, **change: Any) -> BackgroundTask:
    pairs = dataclasses.replace(PAIRS, still_share=0.4)
    return BackgroundTask(faces, faces, FACEGAN, BackgroundTaskConfig(pairs=pairs, critic_width=4, **change))


def whole_task(faces: FaceData, **change: Any) -> EndToEndTask:
    return EndToEndTask(faces, faces, FACEGAN, EndToEndTaskConfig(pairs=PAIRS, critic_width=4, **change))


def latent_task(kind: Callable[..., Any], faces: FaceData, **change: Any) -> Any:
    configs: dict[Any, Callable[..., Any]] = {
        PeopleTask: PeopleTaskConfig,
        GeneratorTask: GeneratorTaskConfig,
        RefineTask: RefineTaskConfig,
    }
    return kind(faces, faces, LATENT, configs.get(kind, PartTaskConfig)(validation=FEW, **change))


TASKS: dict[str, Callable[..., Any]] = {
    "detector": lambda faces: DetectorTask(faces, faces, DETECTOR, DetectorTaskConfig(side=96, val_scenes=2)),
    "tracker": lambda faces: TrackerTask(faces, faces, TRACKER, TrackerTaskConfig()),
    "identity": lambda faces: IdentityTask(faces, faces, IDENTITY, IdentityTaskConfig()),
    "parser": lambda faces: ParserTask(faces, faces, PARSER, ParserTaskConfig()),
    "hidden": lambda faces: HiddenTask(faces, faces, HiddenConfig(widths=(4, 4, 4, 4)), HiddenTaskConfig()),
    "correspondence": correspondence_task,
    "facegan_landmarks": landmark_task,
    "facegan_reenactor": reenactor_task,
    "facegan_background": background_task,
    "facegan": whole_task,
    "dual_generator_shape": shape_task,
    "dual_generator_turned": turned_task,
    "dual_generator_face": face_task,
    "dual_generator_face_cross": lambda faces: face_task(faces, cross_share=0.5),
    "latent_directions_people": functools.partial(latent_task, PeopleTask),
    "latent_directions_generator": functools.partial(latent_task, GeneratorTask),
    "latent_directions_inversion": functools.partial(latent_task, InversionTask),
    "latent_directions_directions": functools.partial(latent_task, DirectionsTask),
    "latent_directions_joint": functools.partial(latent_task, JointTask),
    "latent_directions_refine": functools.partial(latent_task, RefineTask),
}
"""By the recipe's name; `morphable` is learned in closed form and has no task."""
