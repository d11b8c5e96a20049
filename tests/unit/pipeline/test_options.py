"""Which parts of a motion reach the source, and how much."""

import dataclasses
import inspect
import pathlib
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.landmarks import INNER_LIP_RING, LEFT_EYE_RING, RIGHT_EYE_RING
from reenact.geometry.matching import match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import load_morphable
from reenact.media import VideoReader, read_image
from reenact.pipeline.chosen_motion import change_driving
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import reenact_image
from reenact.pipeline.options import DrivingOptions
from reenact.types import FaceGeometry

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"
EYES, LIPS = list(LEFT_EYE_RING + RIGHT_EYE_RING), list(INNER_LIP_RING)
FOREHEAD = [10, 109, 338]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Faces:
    """A source; a driver at rest, and one who looks aside, with an open mouth and closed eyes."""

    own: FaceGeometry
    neutral: FaceGeometry
    driving: FaceGeometry


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine("correspondence")


@pytest.fixture(scope="module")
def faces(engine: Engine) -> Faces:
    def track(name: str, frame: int | None = None) -> FaceGeometry:
        if frame is None:
            return engine.tracker.track(read_image(EXAMPLES / name).rgb)
        with VideoReader(EXAMPLES / name) as reader:
            return engine.tracker.track(next(rgb for index, rgb in enumerate(reader) if index == frame))

    return Faces(
        own=track("portraits/male_30.jpg"),
        neutral=track("driving/actor-talk.mp4", 0),
        driving=track("driving/actor-surprise.jpg"),
    )


def target(faces: Faces, mode: Any, **options: Any) -> torch.Tensor:
    """The target mesh in the source's pixels."""
    model, relative = load_morphable(), mode == "relative"
    driving, neutral = change_driving(DrivingOptions(**options), model, faces.driving, faces.neutral, faces.own, mode)
    motions = [read_mesh_motion(model, each.mesh_px) for each in (driving, neutral)]
    return match_identity(model, split_identity(model, faces.own.mesh_px), *motions, relative=relative)[0]


def moved(faces: Faces, mode: Any, rows: list[int], **options: Any) -> float:
    """Mean displacement of points from the source, share of its eye distance."""
    own = faces.own.mesh_px[0]
    eyes = (own[33] - own[263]).norm()
    return float(((target(faces, mode, **options) - own)[rows, :2].norm(dim=1) / eyes).mean())


@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_regions_move_alone(faces: Faces, mode: str) -> None:
    everything = {name: moved(faces, mode, rows) for name, rows in (("eyes", EYES), ("lips", LIPS))}
    assert min(everything.values()) > 0.03
    lips = {name: moved(faces, mode, rows, regions=("lips",)) for name, rows in (("eyes", EYES), ("lips", LIPS))}
    assert lips["lips"] > 0.05 and lips["eyes"] < 0.02
    eyes = {name: moved(faces, mode, rows, regions=("eyes",)) for name, rows in (("eyes", EYES), ("lips", LIPS))}
    assert eyes["eyes"] > 0.01 and eyes["lips"] < 0.02
    assert moved(faces, mode, FOREHEAD, regions=("expression",), keep=("lips", "eyes")) < 0.03


@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_strength_scales_the_motion(faces: Faces, mode: str) -> None:
    steps = [moved(faces, mode, LIPS, strength=strength) for strength in (0.0, 0.5, 1.0, 1.6)]
    assert steps[0] < 0.012
    assert steps[1] == pytest.approx(steps[2] / 2, rel=0.3) and steps[3] > 1.3 * steps[2]


def test_pose_alone_turns_the_head_without_its_expression(faces: Faces) -> None:
    model = load_morphable()
    turned = target(faces, "absolute", regions=("pose",))
    fits = [model.fit(mesh) for mesh in (turned[None], faces.own.mesh_px, faces.driving.mesh_px)]
    angle = [float((fits[0].pose.rotation - other.pose.rotation).abs().amax()) for other in fits[1:]]
    assert angle[1] < 0.02 < angle[0]
    assert float((fits[0].expression - fits[1].expression).abs().mean()) < 0.2
    still = target(faces, "absolute", regions=("expression",))
    assert float((model.fit(still[None]).pose.rotation - fits[1].pose.rotation).abs().amax()) < 0.02


def test_without_options_the_faces_are_the_same_objects(faces: Faces) -> None:
    given = (faces.driving, faces.neutral)
    assert change_driving(DrivingOptions(), load_morphable(), *given, faces.own, "absolute") == given
    assert DrivingOptions(regions=("pose", "expression")).changes_nothing


@pytest.mark.parametrize("mode", ["relative", "absolute"])
@pytest.mark.parametrize("system", ["correspondence", "facegan"])
def test_without_strength_the_picture_is_the_source(system: str, mode: Any) -> None:
    source = EXAMPLES / "portraits" / "male_30.jpg"
    options = DrivingOptions(strength=0.0)
    result = reenact_image(source, EXAMPLES / "driving/actor-surprise.jpg", mode=mode, system=system, options=options)
    assert np.array_equal(result.rgb, read_image(source).rgb) and result.system is None


@pytest.mark.parametrize("system", ["correspondence", "facegan", "dual_generator"])
def test_neutralised_smiles_disappear(system: str, engine: Engine) -> None:
    """A driver at rest leaves the source at rest."""
    portrait, rest = EXAMPLES / "driving/actor-smile.jpg", EXAMPLES / "driving/actor-nod.jpg"
    result = reenact_image(portrait, rest, neutral=rest, system=system, options=DrivingOptions(neutralise=True))
    units = [engine.tracker.track(rgb).action_units[0, 8] for rgb in (result.source, result.rgb)]  # AU12
    assert float(units[0]) > 0.3 and float(units[1]) < 0.6 * float(units[0])


def test_bad_options_are_refused() -> None:
    """As without the type checks of the tests: names come from the page and its API."""
    make = inspect.unwrap(DrivingOptions.__init__)

    def refused(text: str, **options: Any) -> None:
        with pytest.raises(ConfigError, match=text):
            make(object.__new__(DrivingOptions), **options)

    refused("'nose' is no region; choose all, expression, pose, eyes or lips", regions=("nose",))
    refused("'pose' is no part to keep; choose eyes or lips", keep=("pose",))
    refused("No region is driven", regions=())
    refused("lips cannot be driven and kept", regions=("lips",), keep=("lips",))
    refused("lips and eyes cannot be driven and kept", regions=("eyes", "lips"), keep=("lips", "eyes"))
    refused("The strength is 3; give a factor from 0 to 2", strength=3.0)
