"""Pictures with several faces, through the embedded networks."""

import pathlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.hub import load_tracker
from reenact.media import VideoReader, read_image, write_image
from reenact.pipeline.faces import find_faces, reenact_faces, reenact_faces_video
from tests.e2e.conftest import write_clip

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "examples"
DRIVERS = EXAMPLES / "driving"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, embedded: Callable[[str], pathlib.Path]) -> pathlib.Path:
    """Two people, and a face of 40 pixels in a picture on the wall between them."""
    embedded("perception/tracker"), embedded("perception/detector")
    large, other, small = (
        read_image(EXAMPLES / "portraits" / f"{name}.jpg").rgb for name in ("male_30", "female_89", "male_52")
    )
    other = np.pad(cv2.resize(other, (420, 420)), ((92, 0), (0, 0), (0, 0)), mode="edge")
    picture = np.concatenate([large, other], axis=1)
    picture[10:58, 700:748] = cv2.resize(small, (48, 48), interpolation=cv2.INTER_AREA)
    path = tmp_path_factory.mktemp("people") / "people.png"
    write_image(path, picture)
    return path


def test_faces_are_numbered_and_a_blob_is_no_face(people: pathlib.Path) -> None:
    tracker = load_tracker()
    first, second = find_faces(people, tracker=tracker)
    assert (first.number, second.number) == (1, 2)
    assert first.thumbnail.shape == (160, 160, 3)
    middle = slice(60, 100), slice(60, 100)
    assert first.thumbnail[middle].mean() < second.thumbnail[middle].mean() - 20  # his skin is darker than hers
    assert len(find_faces(DRIVERS / "actor-talk.mp4", tracker=tracker)) == 1
    wall = people.with_name("wall.png")
    write_image(wall, np.full((200, 200, 3), 128, np.uint8))
    with pytest.raises(NoFaceFoundError):
        find_faces(wall, tracker=tracker)


def test_each_face_follows_its_own_driver(people: pathlib.Path, embedded: Callable[[str], pathlib.Path]) -> None:
    embedded("correspondence")
    source = read_image(people).rgb.astype(int)
    left, right = (slice(100, 400), slice(60, 450)), (slice(120, 400), slice(560, 860))
    drivers = {1: DRIVERS / "actor-surprise.jpg", 2: DRIVERS / "actor-wink.jpg"}
    one = reenact_faces(people, {2: drivers[2]}).rgb.astype(int)
    assert np.array_equal(one[left], source[left])  # without a driver it stays as it is
    assert np.abs(one - source)[right].mean() > 1
    both = reenact_faces(people, drivers)
    assert np.abs(both.rgb.astype(int) - source)[left].mean() > 1
    assert np.array_equal(both.rgb[right], one[right])
    assert np.array_equal(both.rgb[:90, 690:760], source[:90, 690:760])
    assert both.face_px is not None
    with pytest.raises(ConfigError, match="No face has a driver"):
        reenact_faces(people, {})


def test_each_face_of_a_clip_follows_its_own_clip(
    people: pathlib.Path, embedded: Callable[[str], pathlib.Path], tmp_path: pathlib.Path
) -> None:
    embedded("correspondence")
    with VideoReader(DRIVERS / "actor-nod.mp4") as reader:
        nodding = list(reader)[::16]
    long, short = write_clip(tmp_path / "long.mp4", nodding[:3]), write_clip(tmp_path / "short.mp4", nodding[1:3])
    seen: list[tuple[int, int]] = []
    result = reenact_faces_video(
        people,
        {2: short, 1: long},
        tmp_path / "out.mp4",
        upscale=2,
        longest_px=932,
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert (result.frame_count, result.width, result.height) == (3, 932, 512)
    assert seen[-1] == (6, 6)
    source = read_image(people).rgb.astype(int)
    with VideoReader(result.path) as reader:
        first, *_, last = (frame.astype(int) for frame in reader)
    for face in ((slice(100, 400), slice(60, 450)), (slice(120, 400), slice(560, 860))):
        assert np.abs(last - first)[face].mean() > 1
    assert np.abs(last - source)[:80, 620:690].mean() < 2  # the wall
    with pytest.raises(NoFaceFoundError, match="Face 3 was asked for, but 2 were found"):
        reenact_faces_video(people, {3: long}, tmp_path / "none.mp4")
    with pytest.raises(ConfigError, match="leave side by side and the crop out"):
        reenact_faces_video(people, {1: long, 2: long}, tmp_path / "none.mp4", side_by_side=True)
    assert not (tmp_path / "none.mp4").exists()
