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
from tests.file_server import served_folder
from tests.labelled_set import write_table
from tests.prepared_set import FRAMES, clip_sample, made_labels, still_sample, write_set
from train.data.__main__ import main
from train.data.faces import FaceData, load_faces
from train.data.pack import check, pack
from train.data.shards import Sample, decode_arrays, encode_arrays, read_shard

COLOURS = {"a": (200, 60, 40), "b": (40, 160, 220), "s": (90, 200, 90), "t": (120, 120, 30)}
"""RGB of each made-up clip or still."""
MESHES = {name: np.random.default_rng(0).integers(0, 4096, (FRAMES, 478, 3)) for name in "ab"}
MESHES |= {name: np.random.default_rng(ord(name)).integers(0, 4096, (478, 3)) for name in "st"}
"""Labels, in sixteenths of a pixel."""


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    """(256, 256, 3) BGR, as OpenCV writes it."""
    return np.full((256, 256, 3), colour[::-1], np.uint8)


def with_mesh(labels: dict[str, np.ndarray], mesh_16: np.ndarray) -> dict[str, np.ndarray]:
    """Labels of a clip with this mesh."""
    return labels | {"mesh_d16": np.diff(mesh_16, axis=0, prepend=np.zeros_like(mesh_16[:1])).astype(np.int16)}


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    """A labelled folder with `MESHES`: clip a and still s train, clip b and still t validate."""
    rng, root = np.random.default_rng(1), tmp_path / "set"
    (root / "clips").mkdir(parents=True)
    (root / "stills").mkdir()
    for name in ("a", "b"):
        sample = clip_sample(name, "", COLOURS[name])
        (root / "clips" / f"{name}.mp4").write_bytes(sample.files["mp4"])
        np.savez(root / "clips" / f"{name}.npz", **with_mesh(decode_arrays(sample.files["npz"]), MESHES[name]))
    clip = {"frames": FRAMES, "fps": "25/2"}
    write_table(
        root / "clips.csv",
        [
            {"clip": "a", "person": "p1", "split": "train", **clip},
            {"clip": "b", "person": "p2", "split": "val", **clip},
        ],
    )
    for name in ("s", "t"):
        cv2.imwrite(str(root / "stills" / f"{name}.jpg"), plain(COLOURS[name]))
    names = ["t", "s"]  # in another order than the table
    stills = [made_labels(rng, None) | {"mesh_16": MESHES[name].astype(np.int16)} for name in names]
    np.savez(root / "stills.npz", name=names, **{key: np.stack([one[key] for one in stills]) for key in stills[0]})
    write_table(
        root / "stills.csv",
        [
            {"still": "s", "person": "p0", "split": "train", "synthetic": 1},
            {"still": "t", "person": "p2", "split": "val", "synthetic": 0},
        ],
    )
    return root


def test_a_split_is_read_row_by_row(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    data = load_faces(root, "train", tmp_path / "cache")
    assert data.names == ("a:0", "a:1", "a:2", "s")
    assert data.rgb.shape == (4, 256, 256, 3)
    for row, name in enumerate("aaas"):
        assert np.abs(data.rgb[row, 100, 100].astype(int) - COLOURS[name]).max() < 12, name
    np.testing.assert_allclose(data.mesh_px[:3], MESHES["a"] / 16)
    np.testing.assert_allclose(data.mesh_px[3], MESHES["s"] / 16)
    np.testing.assert_allclose(data.rotation, np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-6)
    assert data.blendshapes.min() >= 0
    assert data.blendshapes.max() <= 1
    np.testing.assert_allclose(np.linalg.norm(data.embedding, axis=1), 1, atol=2e-3)
    assert data.has_parsing.tolist() == [True, False, True, True]
    assert data.person.tolist() == [1, 1, 1, 0]
    assert data.clip_ranges == [(0, 3)]
    assert data.is_still.tolist() == [False, False, False, True]
    np.testing.assert_allclose(data.yaw_deg, 0, atol=1e-4)


def test_splits_do_not_mix(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    data = load_faces(root, "val", tmp_path / "cache")
    assert data.names == ("b:0", "b:1", "b:2", "t")
    assert set(data.person.tolist()) == {0}
    np.testing.assert_allclose(data.mesh_px[3], MESHES["t"] / 16)


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
    labels = dict(np.load(root / "clips" / "a.npz"))
    np.savez(root / "clips" / "a.npz", **labels | {"blendshapes": 255 - labels["blendshapes"]})


def relabel_still(root: pathlib.Path) -> None:
    labels = dict(np.load(root / "stills.npz"))
    np.savez(root / "stills.npz", **labels | {"mesh_16": labels["mesh_16"] + 1})


def redraw_still(root: pathlib.Path) -> None:
    cv2.imwrite(str(root / "stills" / "s.jpg"), plain((0, 0, 0)))


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
        FileNotFoundError, match=rf"{name} is missing; --data needs a folder as described in docs/data.md"
    ):
        load_faces(root, "train", tmp_path / "cache")


def test_pictures_without_labels_are_named(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    labels = dict(np.load(root / "clips" / "a.npz"))
    labels["mesh_d16"] = labels["mesh_d16"][:2]
    np.savez(root / "clips" / "a.npz", **labels)
    with pytest.raises(ValueError, match=r"a\.mp4 has 3 frames, its labels 2"):
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
    assert index.people == 3
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
    assert samples["a"].facts["person"] == "p1"
    assert samples["a"].facts["fps"] == "25/2"
    assert samples["s"].facts["synthetic"] is True
    labels = decode_arrays(samples["a"].files["npz"])
    assert labels["action_units"].shape == (FRAMES, 17)
    assert labels["action_units"].dtype == labels["score"].dtype == np.uint8
    assert decode_arrays(samples["s"].files["npz"])["mesh_16"].shape == (478, 3)


def test_a_person_on_both_sides_is_found(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    stills = [[still_sample(key, "p0", COLOURS["s"])] for key in ("s", "t")]
    write_set(tmp_path, {"train": stills[:1], "val": stills[1:]})
    assert main(["check", str(tmp_path)]) == 2
    assert "p0 and 0 others are in train and in val" in capsys.readouterr().err
