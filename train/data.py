"""The labelled face set as arrays in memory: every frame decoded once, then sampled at random.

The set is a folder with `clips.csv`, `clips/`, `stills.csv`, `stills.npz` and `stills/` (docs/data.md). Decoding
thousands of frames takes a minute, so the result is kept as plain ``.npy`` files beside the run and memory-mapped.
"""

import csv
import dataclasses
import functools
import hashlib
import pathlib

import cv2
import numpy as np

CROP_PX = 256
"""Side of every picture of the set."""

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


def load_faces(root: pathlib.Path, split: str, cache: pathlib.Path) -> FaceData:
    """Open one split ("train" or "val"), decoding it into `cache` the first time.

    Raises:
        FileNotFoundError: `root` is not such a set; the text names the file that is missing.
    """
    for name in ("clips.csv", "stills.csv", "stills.npz"):
        if not (root / name).is_file():
            raise FileNotFoundError(f"{root / name} is missing; give --data a folder laid out as docs/data.md says")
    key = hashlib.sha256((root / "clips.csv").read_bytes() + (root / "stills.csv").read_bytes()).hexdigest()[:12]
    folder = cache / f"{split}-{key}"
    if not (folder / "done").exists():
        _decode_split(root, split, folder)
    names = tuple((folder / "names.txt").read_text().split("\n"))
    arrays = {
        field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r")
        for field in dataclasses.fields(FaceData)
        if field.name != "names"
    }
    return FaceData(names=names, **arrays)


def _decode_split(root: pathlib.Path, split: str, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    clips = [row for row in _read_csv(root / "clips.csv") if row["split"] == split]
    stills = [row for row in _read_csv(root / "stills.csv") if row["split"] == split]
    count = sum(int(row["frames"]) for row in clips) + len(stills)
    people = {name: i for i, name in enumerate(sorted({row["person"] for row in clips + stills}))}
    rgb = np.lib.format.open_memmap(folder / "rgb.npy", mode="w+", dtype=np.uint8, shape=(count, CROP_PX, CROP_PX, 3))
    mesh = np.zeros((count, 478, 3), np.float32)
    blendshapes = np.zeros((count, 52), np.float32)
    rotation = np.zeros((count, 3, 3), np.float32)
    embedding = np.zeros((count, 256), np.float32)
    parsing = np.zeros((count, 128, 128), np.uint8)
    has_parsing = np.zeros(count, bool)
    person = np.zeros(count, np.int64)
    clip_index = np.full(count, -1, np.int64)
    names = []
    row = 0
    for i, clip in enumerate(clips):
        labels = np.load(root / "clips" / f"{clip['clip']}.npz")
        frames = _decode_clip(root / "clips" / f"{clip['clip']}.mp4")
        count_frames = len(labels["mesh_d16"])
        if len(frames) != count_frames:
            raise ValueError(f"{clip['clip']}.mp4 has {len(frames)} frames, its labels {count_frames}")
        span = slice(row, row + count_frames)
        rgb[span] = frames
        mesh[span] = np.cumsum(labels["mesh_d16"], axis=0, dtype=np.int32) / 16
        blendshapes[span] = labels["blendshapes"] / 255
        rotation[span] = _rotation_of(labels["pose"])
        embedding[span] = labels["embedding"]
        parsing[row : row + count_frames : 2] = labels["parsing"]
        has_parsing[row : row + count_frames : 2] = True
        person[span] = people[clip["person"]]
        clip_index[span] = i
        names += [f"{clip['clip']}:{j}" for j in range(count_frames)]
        row += count_frames
    labels = np.load(root / "stills.npz")
    where = {str(name): i for i, name in enumerate(labels["name"])}
    all_labels = {key: labels[key] for key in ("mesh_16", "blendshapes", "pose", "embedding", "parsing")}
    for still in stills:
        i = where.get(still["still"], where.get(still["still"] + ".jpg"))
        path = root / "stills" / f"{still['still']}.jpg"
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if i is None or picture is None:
            fault = "has no labels in stills.npz" if i is None else "is missing or no picture"
            raise ValueError(f"{path} {fault}; mend it or take its row out of stills.csv")
        rgb[row] = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        mesh[row] = all_labels["mesh_16"][i] / 16
        blendshapes[row] = all_labels["blendshapes"][i] / 255
        rotation[row] = _rotation_of(all_labels["pose"][i])
        embedding[row] = all_labels["embedding"][i]
        parsing[row] = all_labels["parsing"][i]
        has_parsing[row] = True
        person[row] = people[still["person"]]
        names.append(still["still"])
        row += 1
    rgb.flush()
    arrays = {
        "mesh_px": mesh,
        "blendshapes": blendshapes,
        "rotation": rotation,
        "embedding": embedding,
        "parsing": parsing,
        "has_parsing": has_parsing,
        "person": person,
        "clip": clip_index,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "names.txt").write_text("\n".join(names))
    (folder / "done").touch()


def _read_csv(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _decode_clip(path: pathlib.Path) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        ok, bgr = capture.read()
        if not ok:
            break
        frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    capture.release()
    return np.stack(frames)


def _rotation_of(pose: np.ndarray) -> np.ndarray:
    """Rotation of a (…, 4, 4) facial transformation matrix: its columns, each made unit length."""
    columns = pose[..., :3, :3].astype(np.float32)
    return columns / np.linalg.norm(columns, axis=-2, keepdims=True)
