"""Labelled and prepared sets, read from folders that the tests write."""

import dataclasses
import pathlib
import types
from collections.abc import Callable

import cv2
import numpy as np
import pytest

import train.data.faces
from reenact.errors import OutputError, UnsupportedInputError
from reenact.geometry.morphable import MorphableModel
from tests.file_server import served_folder
from tests.labelled_set import write_labelled
from tests.prepared_set import FRAMES, clip_sample, still_sample, write_set
from tests.synthetic import face_set
from train.data.__main__ import main
from train.data.faces import FaceData, load_faces
from train.data.pack import check, pack
from train.data.shards import Sample, decode_arrays, encode_arrays, read_shard

COLOURS = {"a": (200, 60, 40), "b": (40, 160, 220), "s": (90, 200, 90), "t": (120, 120, 30)}
"""RGB of each made-up clip or still."""


@pytest.fixture(scope="module")
def sets(model: MorphableModel) -> dict[str, FaceData]:
    return {
        split: face_set(model, np.random.default_rng(seed), clips=1, stills=1)
        for seed, split in enumerate(("train", "val"))
    }


@pytest.fixture
def root(sets: dict[str, FaceData], tmp_path: pathlib.Path) -> pathlib.Path:
    """Both splits in a labelled folder; the labels of the stills are in another order than their table."""
    root = write_labelled(tmp_path / "set", sets)
    np.savez(root / "stills.npz", **{key: values[::-1] for key, values in np.load(root / "stills.npz").items()})
    return root


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_is_read_row_by_row(
    root: pathlib.Path, sets: dict[str, FaceData], tmp_path: pathlib.Path, split: str
) -> None:
    data, written = load_faces(root, split, tmp_path / "cache"), sets[split]
    assert data.names == (*(f"{split}0:{frame}" for frame in range(FRAMES)), f"{split}-still{FRAMES}")
    assert np.abs(data.rgb.astype(int) - written.rgb).mean() < 6
    for name, atol in {"mesh_px": 0.04, "blendshapes": 2e-3, "rotation": 2e-3, "embedding": 1e-3}.items():
        np.testing.assert_allclose(getattr(data, name), getattr(written, name), atol=atol, err_msg=name)
    np.testing.assert_allclose(data.yaw_deg, written.yaw_deg, atol=0.1)
    assert data.has_parsing.tolist() == [True, False, True, True]
    assert data.person.tolist() == [0, 0, 0, 1]
    assert data.clip_ranges == [(0, 3)]
    assert data.is_still.tolist() == [False, False, False, True]


def test_decoded_once_it_is_mapped_from_then_on(
    root: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_faces(root, "train", tmp_path / "cache")
    monkeypatch.setattr(train.data.faces.FaceTable, "add_clip", None)
    again = load_faces(root, "train", tmp_path / "cache")
    assert isinstance(again.rgb, np.memmap)
    assert np.array_equal(first.rgb, again.rgb)
    assert first.content_key == again.content_key


def relabel_clip(root: pathlib.Path) -> None:
    labels = dict(np.load(root / "clips" / "train0.npz"))
    np.savez(root / "clips" / "train0.npz", **labels | {"blendshapes": 255 - labels["blendshapes"]})


def relabel_still(root: pathlib.Path) -> None:
    labels = dict(np.load(root / "stills.npz"))
    np.savez(root / "stills.npz", **labels | {"mesh_16": labels["mesh_16"] + 1})


def redraw_still(root: pathlib.Path) -> None:
    cv2.imwrite(str(root / "stills" / "train-still3.jpg"), np.zeros((256, 256, 3), np.uint8))


@pytest.mark.parametrize("change", [relabel_clip, relabel_still, redraw_still])
def test_another_content_is_decoded_anew(
    root: pathlib.Path, tmp_path: pathlib.Path, change: Callable[[pathlib.Path], None]
) -> None:
    before = load_faces(root, "train", tmp_path / "cache")
    change(root)
    after, fresh = (load_faces(root, "train", tmp_path / cache) for cache in ("cache", "new"))
    assert after.content_key == fresh.content_key != before.content_key


def test_the_rows_of_a_clip_are_a_range() -> None:
    clip = np.array([2, 2, -1, 0, 0, 0, -1, 5])
    assert FaceData.clip_ranges.func(types.SimpleNamespace(clip=clip)) == [(3, 6), (0, 2), (7, 8)]


@pytest.mark.parametrize("name", ["clips.csv", "stills.csv", "stills.npz"])
def test_a_missing_file_is_named(root: pathlib.Path, tmp_path: pathlib.Path, name: str) -> None:
    (root / name).unlink()
    with pytest.raises(
        UnsupportedInputError, match=rf"{name} is missing; --data needs a folder as described in docs/data.md"
    ):
        load_faces(root, "train", tmp_path / "cache")


def test_pictures_without_labels_are_named(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    labels = dict(np.load(root / "clips" / "train0.npz"))
    labels["mesh_d16"] = labels["mesh_d16"][:2]
    np.savez(root / "clips" / "train0.npz", **labels)
    with pytest.raises(UnsupportedInputError, match=r"train0\.mp4 has 3 frames, its labels 2"):
        load_faces(root, "train", tmp_path / "cache")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("prepared")
    first = [clip_sample("a", "p5", COLOURS["a"]), still_sample("s", "p3", COLOURS["s"])]
    second = [clip_sample("b", "p1", COLOURS["b"], frames=5)]
    write_set(root, {"train": [first, second], "val": [[still_sample("t", "p2", COLOURS["t"])]]})
    return root


def test_a_prepared_set_is_read(
    prepared: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_faces(prepared, "train", tmp_path)
    monkeypatch.setattr(train.data.faces.FaceTable, "add_clip", None)
    assert load_faces(prepared, "train", tmp_path).content_key == data.content_key, "it is decoded once"
    assert data.names == ("a:0", "a:1", "a:2", "s", "b:0", "b:1", "b:2", "b:3", "b:4")
    assert data.person.tolist() == [2, 2, 2, 1, 0, 0, 0, 0, 0], "in the order of the names p1, p3, p5"
    assert data.clip.tolist() == [0, 0, 0, -1, 1, 1, 1, 1, 1]
    for row, name in enumerate("aaasbbbbb"):
        assert np.abs(data.rgb[row, 100, 100].astype(int) - COLOURS[name]).max() < 12, name
    (sample,) = list(read_shard(prepared / "shards" / "train-000001.tar"))
    labels = decode_arrays(sample.files["npz"])
    np.testing.assert_allclose(data.mesh_px[4:], np.cumsum(labels["mesh_d16"], axis=0) / 16)
    np.testing.assert_array_equal(data.parsing[[4, 6, 8]], labels["parsing"])
    assert data.has_parsing.tolist() == [True, False, True, True, True, False, True, False, True]
    assert isinstance(data.rgb, np.memmap)


def test_a_prepared_set_is_read_from_a_server(prepared: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with served_folder(prepared) as server:
        far = load_faces(server.url, "train", tmp_path / "far")
    near = load_faces(prepared, "train", tmp_path / "near")
    assert far.names == near.names
    np.testing.assert_array_equal(far.rgb, near.rgb)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mp4": b"no film"}, r"c\.mp4 has 0 frames, its labels 3"),
        ({"mp4": clip_sample("c", "p", (9, 9, 9), frames=2).files["mp4"]}, r"c\.mp4 has 2 frames, its labels 3"),
        ({"mp4": clip_sample("c", "p", (9, 9, 9), side=128).files["mp4"]}, r"its frames are 128 x 128, not 256 x 256"),
        ({"npz": None}, r"it has no 'npz'"),
        ({"npz": b"PK no archive"}, r"its .npz is damaged"),
        ({"npz": encode_arrays({"mesh_d16": np.zeros((3, 478, 3), np.int16)})}, r"it has no 'blendshapes"),
        ({"json": b'{"frames": 3, "persona": "p"}'}, r"it has no 'person'"),
    ],
)
def test_damaged_samples_are_named(tmp_path: pathlib.Path, change: dict[str, bytes | None], words: str) -> None:
    files = {
        name: content for name, content in (clip_sample("c", "p0", COLOURS["a"]).files | change).items() if content
    }
    shard = [Sample(key="c", files=files)]
    write_set(tmp_path / "set", {"train": [shard]})
    with pytest.raises(UnsupportedInputError, match=rf"sample c of .*train-000000\.tar cannot be used: .*{words}"):
        load_faces(tmp_path / "set", "train", tmp_path / "cache")


def test_shards_without_an_index_are_not_taken_for_a_labelled_folder(tmp_path: pathlib.Path) -> None:
    (tmp_path / "shards").mkdir()
    with pytest.raises(UnsupportedInputError, match=r"has shards but no index\.json; let train\.prepare finish it"):
        load_faces(tmp_path, "train", tmp_path)


def test_packed_it_is_the_same_set(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    index = pack(root, tmp_path / "packed", pictures_per_shard=2)
    assert index.people == 4
    assert pack(root, tmp_path / "again", pictures_per_shard=2) == index, "the same bytes"
    check(str(tmp_path / "packed"), cache=tmp_path)
    for split in ("train", "val"):
        loose, packed = (load_faces(folder, split, tmp_path / "cache") for folder in (root, tmp_path / "packed"))
        rows = [packed.names.index(name) for name in loose.names]
        for field in dataclasses.fields(FaceData):
            if field.name not in ("names", "clip"):
                np.testing.assert_array_equal(getattr(loose, field.name), getattr(packed, field.name)[rows])
    with pytest.raises(OutputError, match="holds a prepared set already; give another folder"):
        pack(root, tmp_path / "packed")


def test_packed_samples_say_what_is_known(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pack(root, tmp_path / "packed")
    samples = {sample.key: sample for sample in read_shard(tmp_path / "packed" / "shards" / "train-000000.tar")}
    assert samples["train0"].facts["person"] == "train-0"
    assert samples["train0"].facts["fps"] == "25/2"
    assert samples["train-still3"].facts["synthetic"] is True
    labels = decode_arrays(samples["train0"].files["npz"])
    assert labels["action_units"].shape == (FRAMES, 17)
    assert labels["action_units"].dtype == labels["score"].dtype == np.uint8
    assert decode_arrays(samples["train-still3"].files["npz"])["mesh_16"].shape == (478, 3)


def test_a_person_on_both_sides_is_found(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    stills = [[still_sample(key, "p0", COLOURS["s"])] for key in ("s", "t")]
    write_set(tmp_path, {"train": stills[:1], "val": stills[1:]})
    assert main(["check", str(tmp_path)]) == 2
    assert "p0 and 0 others are in train and in val" in capsys.readouterr().err
