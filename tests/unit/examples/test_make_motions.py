"""The authored motions and the painted actor."""

import math
import pathlib

import numpy as np
import pytest
import torch

from examples.actor import Actor, Looks
from examples.make_motions import HERE, NECK, Motion, main, rotate_head
from reenact.geometry.morphable import MorphableModel, Pose, load_morphable
from reenact.media import VideoReader, read_image
from reenact.types import head_angles_rad

MOTIONS = sorted((HERE / "motions").glob("*.json"))


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture
def rest() -> Pose:
    return Pose(
        rotation=torch.eye(3)[None], scale=torch.tensor([70.0]), translation_px=torch.tensor([[128.0, 128.0, 0.0]])
    )


@pytest.mark.parametrize("path", MOTIONS, ids=[path.stem for path in MOTIONS])
def test_motion_begins_and_ends_at_rest(path: pathlib.Path, model: MorphableModel) -> None:
    motion = Motion(path)
    offset, angles = motion.offset(model), motion.angles_rad()
    assert 2 <= motion.count / motion.fps <= 3
    for frame in (0, -1):
        assert float(offset[frame].abs().max()) < 0.02
        assert float(angles[frame].abs().max()) < math.radians(1)
    assert 0 < motion.peak() < motion.count - 1


def test_curve_passes_through_its_keys_without_overshoot(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "turn.json"
    path.write_text('{"fps": 10, "seconds": 2, "tracks": {"yaw_deg": [[0, 0], [1, 20], [2, 0]]}}')
    yaw = Motion(path).angles_rad()[:, 1].rad2deg()
    assert float(yaw[10]) == pytest.approx(20)
    assert float(yaw[5]) == pytest.approx(10)
    assert float(yaw.max()) == pytest.approx(20)


def test_one_sided_unit_moves_one_side(tmp_path: pathlib.Path, model: MorphableModel) -> None:
    path = tmp_path / "wink.json"
    path.write_text('{"fps": 10, "seconds": 1, "tracks": {"L45": [[0, 5], [1, 5]]}}')
    offset = Motion(path).offset(model)[0].norm(dim=1)
    left_lid, right_lid = 386, 159
    assert float(offset[left_lid]) > 0.08 > 0.01 > float(offset[right_lid])


def test_head_turns_by_the_angles_around_its_neck(rest: Pose) -> None:
    angles = torch.tensor([[0.2, -0.3, 0.1]])
    pose = rotate_head(rest, angles)
    torch.testing.assert_close(head_angles_rad(pose.rotation), angles, atol=1e-5, rtol=0)
    neck = torch.tensor(NECK).expand(1, 478, 3)
    torch.testing.assert_close(pose.apply(neck), rest.apply(neck), atol=1e-3, rtol=0)


def test_actor_looks_the_same_every_time_and_moves_with_the_mesh(model: MorphableModel, rest: Pose) -> None:
    actor = Actor(model, Looks(), side_px=128)
    small = Pose(rotation=rest.rotation, scale=rest.scale / 2, translation_px=rest.translation_px / 2)
    first, again = (actor.draw(model.mean, small).astype(int) for _ in range(2))
    assert np.array_equal(first, again)
    turned_away = actor.draw(model.mean, rotate_head(small, torch.tensor([[0.0, 0.4, 0.0]]))).astype(int)
    assert np.abs(turned_away - first)[30:90].mean() > 3
    # the shoulders stay
    assert np.abs(turned_away - first)[-8:].mean() < 1


def test_script_writes_a_clip_and_its_strongest_frame(tmp_path: pathlib.Path) -> None:
    main(["wink", "--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["actor-wink.jpg", "actor-wink.mp4"]
    assert (tmp_path / "actor-wink.mp4").stat().st_size < 200_000
    with VideoReader(tmp_path / "actor-wink.mp4") as reader:
        assert (reader.info.width, reader.info.height, reader.info.fps) == (256, 256, 25)
        assert len(list(reader)) == 50
    assert read_image(tmp_path / "actor-wink.jpg").rgb.shape == (256, 256, 3)


def test_every_motion_has_its_clip_and_picture() -> None:
    for path in MOTIONS:
        clip = HERE / "driving" / f"actor-{path.stem}.mp4"
        assert clip.stat().st_size < 200_000
        assert clip.with_suffix(".jpg").is_file()
