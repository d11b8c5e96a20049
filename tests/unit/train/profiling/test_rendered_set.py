"""Sets of rendered pictures, and the recipes that learn from them."""

import dataclasses
import pathlib

import numpy as np
import pytest
import torch

from reenact.geometry.morphable import load_morphable
from reenact.perception.detector import DetectorNetwork
from reenact.types import head_angles_rad
from tests.synthetic import face_set, with_parsing
from tests.unit.train.evaluate.made_up import set_of
from tests.unit.train.recipes.tiny_tasks import DETECTOR, TRACKER
from train.data.faces import FaceData
from train.profiling.rendered_set import ProfiledSetConfig, Turns, draw_turns, make_profiled_set, render_turns
from train.profiling.turn import fitted_yaw_deg
from train.recipes.perception import detector, tracker

CONFIG = ProfiledSetConfig(pictures=10, per_photo=4)


@pytest.fixture(scope="module")
def data() -> FaceData:
    """Eight painted people of whom some look ahead, the face alone parsed."""
    return with_parsing(face_set(load_morphable(), np.random.default_rng(2), clips=1, frames=2, stills=6))


@pytest.fixture(scope="module")
def rendered(data: FaceData, tmp_path_factory: pytest.TempPathFactory) -> FaceData:
    made = make_profiled_set(data, tmp_path_factory.mktemp("cache"), "train", CONFIG)
    assert made is not None
    return made


def test_fitted_yaws_are_larger_than_labelled_ones_to_both_sides() -> None:
    yaws = [0.0, 12.0, 20.0, 36.8, 60.0, 90.0]
    fitted = np.array([fitted_yaw_deg(yaw) for yaw in yaws])
    assert fitted[[0, 2, 3, 5]].tolist() == [0, 21.6, 40.7, 90]
    assert (fitted >= yaws).all()
    assert [-fitted_yaw_deg(-yaw) for yaw in yaws] == fitted.tolist()


def test_every_bin_has_the_same_number_of_pictures(rendered: FaceData) -> None:
    assert len(rendered) == 10
    edges = [low for low, _ in CONFIG.bins_deg] + [90.0]
    assert (np.histogram(np.abs(rendered.yaw_deg), edges)[0] == 2).all()
    assert rendered.is_still.all() and np.asarray(rendered.has_parsing).all()


def test_labels_turn_with_the_head(data: FaceData, rendered: FaceData) -> None:
    model = load_morphable()
    fitted = head_angles_rad(model.fit(torch.from_numpy(np.array(rendered.mesh_px))).pose.rotation)
    for i, name in enumerate(rendered.names):
        photo, yaw_deg = name.split("@")
        row = data.names.index(photo)
        assert rendered.yaw_deg[i] == pytest.approx(float(yaw_deg), abs=0.1)
        assert float(fitted[i, 1].rad2deg()) == pytest.approx(fitted_yaw_deg(float(yaw_deg)), abs=2.0)
        own = head_angles_rad(torch.from_numpy(np.array(data.rotation[row : row + 1])))[0]
        turned = head_angles_rad(torch.from_numpy(np.array(rendered.rotation[i : i + 1])))[0]
        assert torch.allclose(own[[0, 2]], turned[[0, 2]], atol=1e-3)  # pitch and roll stay
        assert np.array_equal(rendered.blendshapes[i], data.blendshapes[row])
        assert np.abs(rendered.rgb[i].astype(int) - data.rgb[row]).mean() > 1


def test_a_set_is_rendered_once_and_a_function_of_data_and_seed(data: FaceData, tmp_path: pathlib.Path) -> None:
    first = make_profiled_set(data, tmp_path, "train", CONFIG)
    (folder,) = tmp_path.glob("profiled-*/")
    written = (folder / "rgb.npy").stat().st_mtime_ns
    again = make_profiled_set(data, tmp_path, "train", CONFIG)
    other = make_profiled_set(data, tmp_path, "train", dataclasses.replace(CONFIG, seed=1))
    assert first is not None and again is not None and other is not None
    assert (folder / "rgb.npy").stat().st_mtime_ns == written
    assert first.names == again.names != other.names


def test_a_picture_is_the_same_whatever_else_is_drawn(data: FaceData) -> None:
    rows, yaws = np.array([3, 4, 3]), np.array([70.0, -40.0, 20.0])
    both, alone = render_turns(data, Turns(rows, yaws)), render_turns(data, Turns(rows[:1], yaws[:1]))
    assert both.names == ["3@70.0", "3@20.0", "4@-40.0"]
    assert np.array_equal(both.rgb[0], alone.rgb[0])


def test_straight_photos_with_a_parsing_are_turned_away_from_their_hidden_side() -> None:
    data = set_of([0.0, 2.0, -4.0, 8.0] * 10, stills=[12.0, 35.0, -40.0, -75.0])
    data = dataclasses.replace(data, has_parsing=np.arange(len(data)) % 2 == 0)
    turns = draw_turns(data, ProfiledSetConfig())
    assert (turns.rows % 2 == 0).all()
    own = data.yaw_deg[turns.rows]
    assert np.abs(own).max() <= 20
    assert (np.sign(turns.yaw_deg) == np.sign(own))[np.abs(own) > 1].all()
    of_the_still = turns.rows == 40
    assert 0.3 < of_the_still.mean() < 0.7, "people count alike, with one photo or twenty"


def test_without_a_parsing_there_is_no_set(data: FaceData, tmp_path: pathlib.Path) -> None:
    bare = dataclasses.replace(data, has_parsing=np.zeros(len(data), bool))
    assert make_profiled_set(bare, tmp_path, "train", CONFIG) is None
    assert not list(tmp_path.iterdir())


def test_the_tracker_learns_from_both_and_names_them(data: FaceData, rendered: FaceData) -> None:
    config = tracker.TrackerTaskConfig(profiled_share=0.5)
    task = tracker.TrackerTask(data, data, TRACKER, config, (rendered, rendered))
    batch = task.sample_batch(np.random.default_rng(0), 40, torch.device("cpu"))
    names = list(batch["names"])
    turned = np.array(["@" in name for name in names])
    assert 0.25 < turned.mean() < 0.75
    assert set(names) <= {*data.names, *rendered.names}
    task.networks.eval()
    with torch.no_grad():
        figures = task.validate(task.networks, torch.device("cpu"))
    assert figures["profiled_60_90_count"] == 4
    assert {"profiled_60_90_mesh_percent", "profiled_60_90_rotation_deg", "profiled_60_90_seen"} <= figures.keys()


def test_the_detector_is_shown_scenes_of_both(data: FaceData, rendered: FaceData) -> None:
    config = detector.DetectorTaskConfig(side=96, val_scenes=1, profiled_share=0.5)
    task = detector.DetectorTask(data, data, DETECTOR, config, (rendered, rendered))
    batch = task.sample_batch(np.random.default_rng(0), 24, torch.device("cpu"))
    scenes = [name for name in batch["names"] if name]
    turned = np.array(["@" in name for name in scenes])
    assert 0.2 < turned.mean() < 0.8
    figures = detector.recall_on_profiled(detector.Detector(DetectorNetwork(DETECTOR)), rendered)
    assert figures["profiled_75_90_count"] == 2
    assert 0 <= figures["profiled_75_90_recall"] <= 1
