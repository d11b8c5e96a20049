"""Folders of every layout: people and labels read from names and tables."""

import dataclasses
import pathlib

import pytest

from reenact.errors import UnsupportedInputError
from train.prepare.settings import PrepareSettings
from train.prepare.sources import Found, find_sources


def touch(folder: pathlib.Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def people(found: Found) -> dict[str, str | None]:
    return {source.origin: source.person for source in found.sources}


def test_plain_clips_are_found_at_any_depth(settings: PrepareSettings) -> None:
    touch(settings.videos, "b.mp4", "2024/a.MOV", "2024/note.txt", ".hidden.mp4", ".cache/c.mp4", "p.jpg")
    found = find_sources(settings)
    assert found.layout == "videos"
    assert people(found) == {"2024/a.MOV": None, "b.mp4": None, "p.jpg": None}
    assert "if each folder is one person, give --layout people" in found.notes[-1]
    output_inside = find_sources(dataclasses.replace(settings, out=settings.videos / "2024"))
    assert people(output_inside) == {"b.mp4": None, "p.jpg": None}


def test_folders_of_people(settings: PrepareSettings) -> None:
    touch(settings.videos, "ann/a.mp4", "ann/deep/b.jpg", "bob/a.mp4", "loose.mp4")
    found = find_sources(dataclasses.replace(settings, layout="people"))
    assert people(found) == {"ann/a.mp4": "ann", "ann/deep/b.jpg": "ann", "bob/a.mp4": "bob", "loose.mp4": None}


def test_voxceleb(settings: PrepareSettings) -> None:
    touch(settings.videos, "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "dev/mp4/id00013/_raOc3-IRsw/00110.mp4")
    found = find_sources(settings)
    assert found.layout == "voxceleb"
    assert [(s.person, s.labels) for s in found.sources] == [
        ("id00012", {"video": "21Uxsk56VDQ"}),
        ("id00013", {"video": "_raOc3-IRsw"}),
    ]


def test_rafd(settings: PrepareSettings) -> None:
    touch(settings.videos, "Rafd090_01_Caucasian_female_happy_frontal.jpg", "Rafd045_30_Moroccan_male_sad_left.jpg")
    found = find_sources(settings)
    assert found.layout == "rafd"
    first, second = found.sources
    assert (first.person, second.person) == ("rafd-30", "rafd-01")
    assert second.labels == {
        "ethnicity": "caucasian",
        "gender": "female",
        "emotion": "happy",
        "gaze": "frontal",
        "camera_deg": 0,
    }
    assert first.labels["camera_deg"] == -45


def test_multi_pie(settings: PrepareSettings) -> None:
    touch(settings.videos, "session01/001_01_01_051_07.png", "session01/001_01_01_240_07.png", "002_02_01_130_00.png")
    found = find_sources(settings)
    assert found.layout == "multipie"
    angles = {source.labels["camera"]: source.labels["camera_deg"] for source in found.sources}
    assert angles == {"051": 0, "240": -90, "130": 30}
    assert {source.person for source in found.sources} == {"multipie-001", "multipie-002"}


def test_a_table_of_pictures(settings: PrepareSettings) -> None:
    touch(settings.videos, "img/1.jpg", "frames/2_3.png", "img/unlisted.jpg")
    (settings.videos / "meta.csv").write_text(
        "SUBJECT_ID,FILENAME,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT,YAW,SKINTONE\n"
        "7,img/1.jpg,10,20,30,40,-12.5,3\n"
        "8,img/1.jpg,100,20,30,40,nan,\n"
        "7,frames/2_3.png,,,,,45,2\n"
        "9,img/gone.jpg,1,1,1,1,0,0\n"
        "9,../outside.jpg,1,1,1,1,0,0\n"
    )
    found = find_sources(settings)
    assert found.layout == "ijbc"
    rows = [(source.origin, source.person, source.box_px, source.labels) for source in found.sources]
    assert rows == [
        ("frames/2_3.png", "7", None, {"yaw": 45, "skintone": 2}),
        ("img/1.jpg", "7", (10, 20, 40, 60), {"yaw": -12.5, "skintone": 3}),
        ("img/1.jpg", "8", (100, 20, 130, 60), {"yaw": "nan"}),
    ]
    assert "1 of 3 files do not belong to the layout and are left out" in found.notes
    assert len({source.unit for source in found.sources}) == 3


def test_face_forensics(settings: PrepareSettings) -> None:
    touch(
        settings.videos,
        "original_sequences/youtube/c23/videos/000.mp4",
        "original_sequences/actors/c23/videos/01__exit_phone_room.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        "original_sequences/youtube/c23/masks/000.mp4",
    )
    found = find_sources(settings)
    assert found.layout == "faceforensics"
    assert people(found) == {
        "original_sequences/actors/c23/videos/01__exit_phone_room.mp4": "actor-01",
        "original_sequences/youtube/c23/videos/000.mp4": None,
    }
    everything = find_sources(dataclasses.replace(settings, manipulated=True))
    kinds = [source.labels["kind"] for source in everything.sources]
    assert sorted(kinds) == ["manipulated", "original", "original"]


def test_a_changed_file_is_another_unit(settings: PrepareSettings) -> None:
    touch(settings.videos, "a.mp4")
    before = find_sources(settings)
    assert find_sources(settings).sources[0].unit == before.sources[0].unit
    (settings.videos / "a.mp4").write_bytes(b"longer")
    after = find_sources(settings)
    assert after.sources[0].unit != before.sources[0].unit
    assert after.digest != before.digest


@pytest.mark.parametrize(
    ("names", "changes", "text"),
    [
        ((), {}, "holds no clips or pictures; their names must end in .3gp"),
        (("a.txt",), {}, "holds no clips or pictures"),
        (("a.mp4",), {"layout": "rafd"}, "None of the 1 clips and pictures in .* has a name of the layout rafd"),
        (("a.mp4",), {"layout": "ijbc"}, "does not hold exactly one table for layout ijbc .*; give it with --csv"),
        (("a.mp4",), {"videos": pathlib.Path("/nowhere")}, "There is no folder /nowhere"),
    ],
)
def test_folders_without_sources_are_refused(
    settings: PrepareSettings, names: tuple[str, ...], changes: dict[str, object], text: str
) -> None:
    touch(settings.videos, *names)
    with pytest.raises(UnsupportedInputError, match=text):
        find_sources(dataclasses.replace(settings, **changes))  # type: ignore[arg-type]


def test_a_table_without_its_columns_or_files_is_refused(settings: PrepareSettings) -> None:
    touch(settings.videos, "a.jpg")
    table = settings.videos / "table.csv"
    table.write_text("name,age\na.jpg,3\n")
    named = dataclasses.replace(settings, csv=table)
    with pytest.raises(UnsupportedInputError, match="needs a column for the file"):
        find_sources(named)
    table.write_text("file,person\nb.jpg,3\n")
    with pytest.raises(UnsupportedInputError, match="None of the 1 files named in .* is in .*'b.jpg'"):
        find_sources(named)
