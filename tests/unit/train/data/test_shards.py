"""Shards and their index: bytes that repeat, damage that is named."""

import dataclasses
import io
import json
import pathlib
import tarfile
import warnings

import numpy as np
import pytest

from reenact.errors import UnsupportedInputError
from train.data.shards import (
    Index,
    Sample,
    check_shard,
    decode_arrays,
    encode_arrays,
    parse_index,
    read_index,
    read_shard,
    sha256_of,
    shard_name,
    write_index,
    write_shard,
)


def samples() -> list[Sample]:
    arrays = {"mesh_d16": np.arange(24, dtype=np.int16).reshape(2, 4, 3), "score": np.array([7, 9], np.uint8)}
    clip = json.dumps({"person": "p1", "frames": 2}).encode()
    still = json.dumps({"person": "Zoë"}).encode()
    return [
        Sample(key="b-clip_0", files={"mp4": b"pictures" * 300, "npz": encode_arrays(arrays), "json": clip}),
        Sample(key="a-still", files={"png": b"p" * 512, "npz": b"", "json": still}),
    ]


def test_what_is_written_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "deep" / "train-000000.tar"
    facts = write_shard(path, iter(samples()))
    assert list(read_shard(path)) == samples()
    assert (facts.clips, facts.stills, facts.frames) == (1, 1, 2)
    assert facts.bytes == path.stat().st_size
    assert facts.sha256 == sha256_of(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name], "nothing is left beside it"


def test_the_same_samples_give_the_same_bytes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_shard(tmp_path / "first.tar", samples())
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    shuffled = [dataclasses.replace(s, files=dict(reversed(s.files.items()))) for s in samples()]
    assert write_shard(tmp_path / "second.tar", shuffled).sha256 == first.sha256
    with tarfile.open(tmp_path / "first.tar") as tar:
        assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in tar} == {(0, 0, 0, 0o644, "")}


def test_arrays_survive(tmp_path: pathlib.Path) -> None:
    arrays = {"a": np.arange(5, dtype=np.float16), "b": np.zeros((0, 3), np.uint8)}
    again = decode_arrays(encode_arrays(arrays))
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype
        np.testing.assert_array_equal(again[name], array)


def test_pickled_arrays_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{"code": 1}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        decode_arrays(buffer.getvalue())


def test_every_cut_is_noticed(tmp_path: pathlib.Path) -> None:
    """In a header, in a member and exactly between two members."""
    path = tmp_path / "train-000003.tar"
    write_shard(path, samples())
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        end = max(member.offset_data + -(-member.size // 512) * 512 for member in tar)
    for length in (*range(0, end + 1024, 128), 1, 511):
        path.write_bytes(whole[:length])
        with pytest.raises(
            UnsupportedInputError, match=r"train-000003\.tar.*truncated.*download it again.*train\.prepare"
        ):
            list(read_shard(path))


def test_a_foreign_tar_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "foreign.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("../../etc/passwd")
        tar.addfile(member, io.BytesIO())
    with pytest.raises(UnsupportedInputError, match="is no file KEY"):
        list(read_shard(path))
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(UnsupportedInputError, match=r"foreign\.tar cannot be read"):
        list(read_shard(path))
    with pytest.raises(UnsupportedInputError, match="No such file"):
        list(read_shard(tmp_path / "absent.tar"))


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "ä", "x" * 81, "b-clip_0"])
def test_keys_have_a_form_and_are_unique(tmp_path: pathlib.Path, key: str) -> None:
    with pytest.raises(ValueError, match=r"key .* occurs twice or is not 1 to 80 letters"):
        write_shard(tmp_path / "s.tar", [*samples(), dataclasses.replace(samples()[1], key=key)])


def made_index(root: pathlib.Path) -> Index:
    entry = write_shard(root / shard_name("train", 0), samples(), "train")
    return Index(settings={"side": 256, "fps": "25/2"}, people=2, shards=(entry,))


def test_the_index_survives(tmp_path: pathlib.Path) -> None:
    index = made_index(tmp_path)
    write_index(tmp_path, index)
    assert read_index(tmp_path) == index
    assert index.of_split("train", "here") == index.shards
    assert index.shards[0].pictures == 3
    with pytest.raises(UnsupportedInputError, match=r"here has no shard of the split val \(it has: train\)"):
        index.of_split("val", "here")


def test_a_shard_is_checked_against_its_entry(tmp_path: pathlib.Path) -> None:
    (entry,) = made_index(tmp_path).shards
    path = tmp_path / entry.file
    check_shard(path, entry)
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnsupportedInputError, match=r"sha256 .* the index says .*; download it again"):
        check_shard(path, entry)
    path.write_bytes(content[:-1])
    with pytest.raises(UnsupportedInputError, match=r"bytes, the index says"):
        check_shard(path, entry)
    path.unlink()
    with pytest.raises(UnsupportedInputError, match=r"train-000000\.tar is missing, but the index lists it"):
        check_shard(path, entry)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "other"}, "not the index of a prepared set"),
        ({"format_version": 2}, "format_version 2, this program reads 1; update reenact"),
        ({"shards": [{"file": "x"}]}, "damaged"),
        ({"shards": None}, "damaged"),
    ],
)
def test_foreign_and_newer_indices_are_refused(tmp_path: pathlib.Path, change: dict[str, object], words: str) -> None:
    write_index(tmp_path, made_index(tmp_path))
    found = json.loads((tmp_path / "index.json").read_text()) | change
    with pytest.raises(UnsupportedInputError, match=words):
        parse_index(json.dumps(found).encode(), "index.json")


@pytest.mark.parametrize("file", ["../x.tar", "/etc/x.tar", "shards/../../x.tar", "c:\\x.tar", "http://a/x.tar", ""])
def test_an_index_cannot_point_outside(tmp_path: pathlib.Path, file: str) -> None:
    index = made_index(tmp_path)
    write_index(tmp_path, dataclasses.replace(index, shards=(dataclasses.replace(index.shards[0], file=file),)))
    with pytest.raises(UnsupportedInputError, match="damaged"):
        read_index(tmp_path)


def test_no_index_and_no_json(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnsupportedInputError, match=r"index\.json is missing; give a folder that train\.prepare"):
        read_index(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(UnsupportedInputError, match="is not JSON"):
        read_index(tmp_path)


def test_webdataset_reads_the_shards(tmp_path: pathlib.Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
        path = tmp_path / "train-000000.tar"
        write_shard(path, samples())
        found = list(webdataset.WebDataset(str(path), shardshuffle=False))
    assert [sample["__key__"] for sample in found] == ["b-clip_0", "a-still"]
    for ours, theirs in zip(samples(), found, strict=True):
        assert {name: theirs[name] for name in ours.files} == ours.files
