"""A face set as arrays in memory: every frame decoded once, then sampled at random.

A set is a folder with tables (`clips.csv`, `clips/`, `stills.csv`, `stills.npz`, `stills/`) or a prepared one, with
`index.json` and shards, near or far (docs/data.md). Decoding thousands of frames takes a while, so the result is kept
as plain ``.npy`` files beside the run and memory-mapped.
"""

import csv
import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
from filelock import FileLock

from reenact.errors import UnsupportedInputError
from train.data.face_table import CROP_PX, FaceTable, decode_clip
from train.data.prepared import read_shards
from train.data.remote import is_remote, open_source

__all__ = ["CROP_PX", "PARSING_CLASSES", "FaceData", "load_faces", "read_labelled"]

PARSING_CLASSES = ("background", "face", "hair", "clothes", "skin")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceData:
    """One split of the set. Row i of every array is the same picture.

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
        """First row and row after the last of each clip."""
        ranges = []
        for clip in np.unique(self.clip[self.clip >= 0]):
            rows = np.flatnonzero(self.clip == clip)
            ranges.append((int(rows[0]), int(rows[-1]) + 1))
        return ranges

    @functools.cached_property
    def yaw_deg(self) -> np.ndarray:
        """(N,) head yaw in degrees, from the rotation."""
        return np.degrees(np.arctan2(self.rotation[:, 0, 2], self.rotation[:, 2, 2]))


def load_faces(
    root: pathlib.Path | str, split: str, cache: pathlib.Path, shard_cache_gb: float | None = None
) -> FaceData:
    """Open one split, decoding it into `cache` the first time.

    Args:
        root: a labelled or a prepared folder, or the http(s):// or hf:// address of a prepared one.
        split: "train" or "val"; prepared sets may have "test" as well.
        cache: folder for decoded pictures and fetched shards.
        shard_cache_gb: fetched shards beyond this are deleted, oldest first; None keeps all.

    Raises:
        FileNotFoundError: `root` is no set; the text names the file that is missing.
        UnsupportedInputError: a prepared set is damaged, of a newer version, cannot be fetched or lacks the split.
        ValueError: pictures and labels of a labelled folder do not match.
    """
    if is_remote(root) or (pathlib.Path(root) / "index.json").is_file():
        source = open_source(root, cache, shard_cache_gb)
        entries = source.read_index().of_split(split, source.where)
        key = _key("".join(entry.sha256 for entry in entries).encode())
        return keep_decoded(cache / f"{split}-{key}", lambda rgb_path: read_shards(source, entries, rgb_path))
    root = pathlib.Path(root)
    require_labelled(root)
    key = _key((root / "clips.csv").read_bytes() + (root / "stills.csv").read_bytes())
    return keep_decoded(cache / f"{split}-{key}", lambda rgb_path: read_labelled(root, split, rgb_path))


def require_labelled(root: pathlib.Path) -> None:
    """Raise unless `root` is laid out as a labelled folder."""
    if (root / "shards").is_dir():
        raise UnsupportedInputError(f"{root} has shards but no index.json; run train.prepare on it to the end")
    for name in ("clips.csv", "stills.csv", "stills.npz"):
        if not (root / name).is_file():
            raise FileNotFoundError(f"{root / name} is missing; give --data a folder laid out as docs/data.md says")


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def keep_decoded(folder: pathlib.Path, decode: Callable[[pathlib.Path], FaceTable]) -> FaceData:
    """The arrays in `folder`, mapped; one process makes them, others on the same disk wait for it.

    Args:
        folder: whose name says what lies in it.
        decode: makes them; it is given the file for the pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "done").exists():
            table = decode(folder / "rgb.npy")
            for name, array in table.finish().items():
                if name != "rgb":
                    np.save(folder / f"{name}.npy", array)
            (folder / "names.txt").write_text("\n".join(table.names))
            (folder / "done").touch()
    arrays = {
        field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r")
        for field in dataclasses.fields(FaceData)
        if field.name != "names"
    }
    return FaceData(names=tuple((folder / "names.txt").read_text().split("\n")), **arrays)


def read_labelled(root: pathlib.Path, split: str, rgb_path: pathlib.Path | None = None) -> FaceTable:
    """Decode one split of a labelled folder.

    Raises:
        ValueError: pictures and labels do not match; the text names the file.
    """
    clips = [row for row in read_table(root / "clips.csv") if row["split"] == split]
    stills = [row for row in read_table(root / "stills.csv") if row["split"] == split]
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
            raise ValueError(f"{path} is missing or {error}; mend it or take its row out of stills.csv") from error
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
            raise ValueError(f"{path} has no labels in stills.npz; mend it or take its row out of stills.csv")
        yield {key: values[i] for key, values in everything.items()}


def read_table(path: pathlib.Path) -> list[dict[str, str]]:
    """Rows of a table with a header."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
