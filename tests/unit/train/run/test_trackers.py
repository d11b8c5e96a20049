"""TensorBoard and trackio."""

import dataclasses
import pathlib
from collections.abc import Callable

import pytest

from reenact.errors import MissingDependencyError
from tests.toy_training import CONFIG, Killed, ToyTask
from train.run import trackers
from train.run.loop import run
from train.run.trackers import choose_trackers

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def test_tensorboard_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "is_installed", lambda name: name == "tensorboard")
    assert choose_trackers(None) == ("tensorboard",)
    assert choose_trackers(["none"]) == ()
    assert choose_trackers(["tensorboard", "tensorboard"]) == ("tensorboard",)
    monkeypatch.setattr(trackers, "is_installed", lambda name: False)
    assert choose_trackers(None) == ()
    with pytest.raises(MissingDependencyError, match=r'--track trackio needs .* pip install "reenact\[trackio\]"'):
        choose_trackers(["trackio"])


def test_tensorboard_shows_every_step_once_after_a_resume(
    tmp_path: pathlib.Path, fresh_accelerator: Callable[[], None]
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(Killed):
        run(ToyTask(stop_at=3), CONFIG, tmp_path, command="toy", track=["tensorboard"])
    fresh_accelerator()
    run(ToyTask(), CONFIG, tmp_path, command="toy", track=["tensorboard"])
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("error")] == [1, 2, 3, 4]
    assert {"samples_per_s", "data_share", "minutes_left", "learning_rate", "validation/bias"} <= set(
        events.Tags()["scalars"]
    )
    assert [image.step for image in events.Images("samples")] == [4]


def test_trackio_keeps_figures_and_pictures_without_a_login(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read once, at the import
    pytest.importorskip("trackio")
    run(ToyTask(), dataclasses.replace(CONFIG, steps=2), tmp_path / "run", command="toy", track=["trackio"])
    assert list((tmp_path / "trackio").rglob("*.db"))
    assert list((tmp_path / "trackio").rglob("*.png"))
