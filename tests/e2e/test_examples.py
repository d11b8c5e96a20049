"""The page's examples, with the embedded weights."""

import pathlib

import numpy as np
import pytest

from examples.make_motions import main
from reenact.errors import NoFaceFoundError
from reenact.hub import load_tracker
from reenact.media import VideoReader, read_image
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.results import to_frames
from reenact.space import examples
from reenact.types import head_angles_rad

pytestmark = pytest.mark.usefixtures("weights")


def test_every_example_shows_a_face_to_the_tracker() -> None:
    tracker = load_tracker("own")
    for path in examples.portraits() + examples.driving_pictures():
        report = tracker.report(read_image(path).rgb)
        assert len(report.faces) == 1, path
        assert float(report.geometry.score) > 0.8, path


@pytest.fixture(scope="module")
def engine(weights: dict[str, pathlib.Path]) -> Engine:
    return load_engine("correspondence")


@pytest.mark.parametrize("name", [pathlib.Path(path).stem for path in examples.portraits()])
def test_no_face_is_left_in_the_ground_behind_a_portrait(engine: Engine, name: str) -> None:
    source = engine.open_source(read_image(examples.FOLDER / "portraits" / f"{name}.jpg").rgb)
    portrait = source.identity.portrait
    assert source.warnings == ()
    assert bool((portrait.ground == portrait.rgb).all(1, keepdim=True)[portrait.hole == 0].all())
    assert 0.05 < float(portrait.hole.mean()) < 0.6
    with pytest.raises(NoFaceFoundError):
        engine.tracker.report(to_frames(portrait.ground)[0])


def test_actor_does_what_the_motion_says() -> None:
    tracker = load_tracker("own")

    def looked_at(motion: str) -> tuple[np.ndarray, np.ndarray]:
        geometry = tracker.track(read_image(examples.FOLDER / "driving" / f"actor-{motion}.jpg").rgb)
        return head_angles_rad(geometry.rotation)[0].rad2deg().numpy(), geometry.action_units[0].numpy() * 5

    assert looked_at("nod")[0][0] == pytest.approx(14, abs=6)
    assert abs(looked_at("shake")[0][1]) == pytest.approx(20, abs=7)
    assert looked_at("smile")[1][8] > 1  # AU12
    assert looked_at("surprise")[1][0] > 2  # AU1


def test_portrait_can_be_driven_by_an_authored_motion(tmp_path: pathlib.Path) -> None:
    portrait = pathlib.Path(examples.portraits()[0])
    main(["wink", "--portrait", str(portrait), "--out", str(tmp_path)])
    with VideoReader(tmp_path / f"{portrait.stem}-wink.mp4") as reader:
        frames = [frame.astype(int) for frame in reader]
    assert len(frames) == 50
    assert frames[0].shape == (256, 256, 3)
    assert np.abs(frames[25] - frames[0])[80:180, 80:180].mean() > 2
