"""A split of a set as memory-mapped arrays.

A set is a labelled folder (`clips.csv`, `clips/`, `stills.csv`, `stills.npz`, `stills/`) or a prepared one with
`index.json` and shards, local or remote (docs/data.md). It is decoded once into ``.npy`` files in the cache.
"""

import contextlib
import csv
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from reenact.errors import UnsupportedInputError
from train.data.cache import digest, keep_folder
from train.data.face_table import CROP_PX, FaceTable, decode_clip
from train.data.prepared import read_shards
from train.data.remote import is_remote, open_source

__all__ = ["CROP_PX", "PARSING_CLASSES", "FaceData", "load_faces", "read_labelled"]

PARSING_CLASSES = ("background", "face", "hair", "clothes", "skin")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceData:
    """One split of a set. Row i of every array belongs to picture i.

    Attributes:
        rgb: (N, 256, 256, 3) uint8, memory-mapped.
        mesh_px: (N, 478, 3) float32, MediaPipe order, pixels of the 256 px crop, smaller z is nearer.
        blendshapes: (N, 52) float32 in [0, 1], MediaPipe order.
        rotation: (N, 3, 3) float32, camera-from-head, MediaPipe axes (x right, y up, z to the viewer).
        embedding: (N, 256) float32, unit length.
        parsing: (N, 128, 128) uint8 classes of `PARSING_CLASSES`; only meaningful where `has_parsing`.
        has_parsing: (N,) bool.
        person: (N,) int64, index of the person.
        clip: (N,) int64, index of the clip, -1 for stills.
        is_still: (N,) bool.
    """

    rgb: np.ndarray
    mesh_px: np.ndarray
    blendshapes: np.ndarray
    rotation: np.ndarray
    embedding: np.ndarray
    parsing: np.ndarray
    has_parsing: np.ndarray
    person: np.ndarray
    clip: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rgb)

    @property
    def is_still(self) -> np.ndarray:
        return self.clip < 0

    @functools.cached_property
    def clip_ranges(self) -> list[tuple[int, int]]:
        """First row and row after the last of each clip; the rows of a clip are neighbours."""
        clips, first = np.unique(self.clip, return_index=True)
        _, from_end = np.unique(self.clip[::-1], return_index=True)
        ends = len(self.clip) - from_end
        return [(int(a), int(b)) for clip, a, b in zip(clips, first, ends, strict=True) if clip >= 0]

    @functools.cached_property
    def _range_of_clip(self) -> dict[int, tuple[int, int]]:
        return {int(self.clip[first]): (first, stop) for first, stop in self.clip_ranges}

    def rows_around(self, row: int) -> tuple[int, int]:
        """First row and row after the last of this row's clip; a still is a range of its own."""
        return self._range_of_clip.get(int(self.clip[row]), (row, row + 1))

    @functools.cached_property
    def content_key(self) -> str:
        """Digest of all arrays and names, for caches of what is computed from them."""
        arrays = (getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "names")
        return digest([*self.names, *map(np.ascontiguousarray, arrays)])

    @functools.cached_property
    def yaw_deg(self) -> np.ndarray:
        """(N,) head yaw in degrees, from the rotation."""
        return np.degrees(np.arctan2(self.rotation[:, 0, 2], self.rotation[:, 2, 2]))


@contextlib.contextmanager
def refuse_unreadable() -> Iterator[None]:
    """Turn what file system and decoders raise into `UnsupportedInputError`, with the same text."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise UnsupportedInputError(str(error)) from error


@refuse_unreadable()
def load_faces(
    root: pathlib.Path | str, split: str, cache: pathlib.Path, shard_cache_gb: float | None = None
) -> FaceData:
    """Open one split; the first time it is decoded into `cache`.

    Args:
        root: a labelled or a prepared folder, or the http(s):// or hf:// address of a prepared one.
        split: "train" or "val"; prepared sets may have "test" as well.
        cache: folder for decoded pictures and downloaded shards.
        shard_cache_gb: downloaded shards beyond this are deleted, oldest first; None keeps all.

    Raises:
        UnsupportedInputError: `root` is not a set (the text names the missing file); pictures and labels of a labelled
            folder do not match; a prepared set is damaged, of another version, cannot be downloaded or lacks the split.
    """
    if is_remote(root) or (pathlib.Path(root) / "index.json").is_file():
        source = open_source(root, cache, shard_cache_gb)
        entries = source.read_index().of_split(split, source.where)
        key = digest(entry.sha256 for entry in entries)
        return keep_decoded(cache, split, key, functools.partial(read_shards, source, entries))
    root = pathlib.Path(root)
    require_labelled(root)
    return keep_decoded(cache, split, _key_of_labelled(root, split), functools.partial(read_labelled, root, split))


def require_labelled(root: pathlib.Path) -> None:
    """Check that `root` is laid out as a labelled folder.

    Raises:
        UnsupportedInputError: it is not; the text names the missing file.
    """
    if (root / "shards").is_dir():
        raise UnsupportedInputError(f"{root} has shards but no index.json; let train.prepare finish it")
    for name in ("clips.csv", "stills.csv", "stills.npz"):
        if not (root / name).is_file():
            raise UnsupportedInputError(f"{root / name} is missing; --data needs a folder as described in docs/data.md")


def _key_of_labelled(root: pathlib.Path, split: str) -> str:
    """Digest of all files of a split, tables and labels included."""
    clips, stills = (_rows_of(root, kind, split) for kind in ("clips", "stills"))
    files = [root / name for name in ("clips.csv", "stills.csv", "stills.npz")]
    files += [root / "clips" / f"{row['clip']}.{suffix}" for row in clips for suffix in ("mp4", "npz")]
    files += [root / "stills" / f"{row['still']}.jpg" for row in stills]
    return digest(path.read_bytes() if path.is_file() else b"" for path in files)


def keep_decoded(
    cache: pathlib.Path, name: str, key: str, decode: Callable[[pathlib.Path | None], FaceTable]
) -> FaceData:
    """Decoded pictures and labels as memory-mapped arrays, kept in `cache`.

    Args:
        cache: folder of all cached data.
        name: what is decoded, for people.
        key: digest of all that the arrays depend on.
        decode: makes the rows; its argument is the ``.npy`` file for the pictures.
    """

    def make(folder: pathlib.Path) -> None:
        table = decode(folder / "rgb.npy")
        for column, array in table.finish().items():
            if column != "rgb":
                np.save(folder / f"{column}.npy", array)
        (folder / "names.txt").write_text("\n".join(table.names))

    folder = keep_folder(cache, name, key, make)
    arrays = {
        field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r")
        for field in dataclasses.fields(FaceData)
        if field.name != "names"
    }
    return FaceData(names=tuple((folder / "names.txt").read_text().split("\n")), **arrays)


def read_labelled(root: pathlib.Path, split: str, rgb_path: pathlib.Path | None = None) -> FaceTable:
    """Decode one split of a labelled folder.

    Raises:
        ValueError: pictures and labels do not match.
    """
    clips, stills = (_rows_of(root, kind, split) for kind in ("clips", "stills"))
    table = FaceTable(sum(int(row["frames"]) for row in clips) + len(stills), rgb_path)
    for row in clips:
        name = row["clip"]
        decode = functools.partial(decode_clip, str(root / "clips" / f"{name}.mp4"))
        with np.load(root / "clips" / f"{name}.npz") as labels:
            table.add_clip(name, row["person"], labels, decode)
    for row, labels in zip(stills, still_labels(root, stills), strict=True):
        path = root / "stills" / f"{row['still']}.jpg"
        try:
            table.add_still(row["still"], row["person"], labels, path.read_bytes() if path.is_file() else b"")
        except ValueError as error:
            raise ValueError(f"{path} is missing or {error}; replace it or remove its row from stills.csv") from error
    return table


def still_labels(root: pathlib.Path, stills: list[dict[str, str]]) -> Iterator[dict[str, np.ndarray]]:
    """Labels of each row of ``stills.csv``, without their N axis.

    Raises:
        ValueError: a still has none.
    """
    with np.load(root / "stills.npz") as archive:
        everything = {key: archive[key] for key in archive.files}
    where = {str(name): i for i, name in enumerate(everything.pop("name"))}
    for row in stills:
        i = where.get(row["still"], where.get(row["still"] + ".jpg"))
        if i is None:
            path = root / "stills" / f"{row['still']}.jpg"
            raise ValueError(f"{path} has no labels in stills.npz; replace it or remove its row from stills.csv")
        yield {key: values[i] for key, values in everything.items()}


def _rows_of(root: pathlib.Path, kind: str, split: str) -> list[dict[str, str]]:
    return [row for row in read_table(root / f"{kind}.csv") if row["split"] == split]


def read_table(path: pathlib.Path) -> list[dict[str, str]]:
    """Rows of a table with a header."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
