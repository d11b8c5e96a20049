"""Builds the arrays of `train.data.faces.FaceData` from clips and stills."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

CROP_PX = 256
"""Side of every picture of a set."""

_SHAPES: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    "mesh_px": ((478, 3), np.float32),
    "blendshapes": ((52,), np.float32),
    "rotation": ((3, 3), np.float32),
    "embedding": ((256,), np.float32),
    "parsing": ((128, 128), np.uint8),
    "has_parsing": ((), np.bool_),
    "clip": ((), np.int64),
}
"""Shape of a row and type of each array except the pictures."""


class FaceTable:
    """Arrays for a known number of pictures, filled row by row.

    Args:
        count: number of pictures.
        rgb_path: ``.npy`` file for the pictures; None keeps them in memory.
    """

    def __init__(self, count: int, rgb_path: pathlib.Path | None = None) -> None:
        shape = (count, CROP_PX, CROP_PX, 3)
        if rgb_path is None:
            self.rgb: np.ndarray = np.empty(shape, np.uint8)
        else:
            self.rgb = np.lib.format.open_memmap(rgb_path, mode="w+", dtype=np.uint8, shape=shape)
        self.columns = {name: np.zeros((count, *row), dtype) for name, (row, dtype) in _SHAPES.items()}
        self.columns["clip"][:] = -1
        self.people: list[str] = []
        self.names: list[str] = []
        self.clips = 0

    def add_clip(
        self, name: str, person: str, labels: Mapping[str, np.ndarray], decode: Callable[[np.ndarray], int]
    ) -> None:
        """Add a clip.

        Args:
            name: of the clip; its frames are called ``name:0`` and so on.
            person: name of the person.
            labels: with the keys of docs/data.md.
            decode: fills (T, 256, 256, 3) with the pictures and returns their number.

        Raises:
            ValueError: pictures and labels differ in number or shape.
        """
        count = len(labels["mesh_d16"])
        rows = self._take(count)
        if (decoded := decode(self.rgb[rows])) != count:
            raise ValueError(f"{name}.mp4 has {decoded} frames, its labels {count}")
        self.columns["mesh_px"][rows] = np.cumsum(labels["mesh_d16"], axis=0, dtype=np.int32) / 16
        self._add_labels(rows, labels)
        every_second = slice(rows.start, rows.stop, 2)
        self.columns["parsing"][every_second] = labels["parsing"]
        self.columns["has_parsing"][every_second] = True
        self.columns["clip"][rows] = self.clips
        self.clips += 1
        self.people += [person] * count
        self.names += [f"{name}:{frame}" for frame in range(count)]

    def add_still(self, name: str, person: str, labels: Mapping[str, np.ndarray], content: bytes) -> None:
        """Add a still: its labels without the N axis, and its picture file.

        Raises:
            ValueError: `content` is not a picture of the right size, or a label has the wrong shape.
        """
        rows = self._take(1)
        decode_still(content, self.rgb[rows.start])
        self.columns["mesh_px"][rows] = labels["mesh_16"] / 16
        self._add_labels(rows, labels)
        self.columns["parsing"][rows] = labels["parsing"]
        self.columns["has_parsing"][rows] = True
        self.people.append(person)
        self.names.append(name)

    def add_face(self, name: str, person: str, rgb: np.ndarray, **columns: np.ndarray) -> None:
        """Add a picture, (256, 256, 3) uint8, with its row of each array of `FaceData`."""
        rows = self._take(1)
        self.rgb[rows.start] = rgb
        for key, value in columns.items():
            self.columns[key][rows.start] = value
        self.people.append(person)
        self.names.append(name)

    def _take(self, count: int) -> slice:
        first = len(self.names)
        if first + count > len(self.rgb):
            raise ValueError(f"there are more pictures than the {len(self.rgb)} announced")
        return slice(first, first + count)

    def _add_labels(self, rows: slice, labels: Mapping[str, np.ndarray]) -> None:
        self.columns["blendshapes"][rows] = labels["blendshapes"] / 255
        self.columns["rotation"][rows] = rotation_of(labels["pose"])
        self.columns["embedding"][rows] = labels["embedding"]

    def finish(self) -> dict[str, np.ndarray]:
        """All arrays of `FaceData`; people are numbered in the order of their names.

        Raises:
            ValueError: there are fewer pictures than announced.
        """
        if len(self.names) != len(self.rgb):
            raise ValueError(f"there are {len(self.names)} pictures, {len(self.rgb)} were announced")
        number = {person: i for i, person in enumerate(sorted(set(self.people)))}
        person = np.array([number[person] for person in self.people], np.int64)
        return {"rgb": self.rgb, "person": person} | self.columns


def rotation_of(pose: np.ndarray) -> np.ndarray:
    """Rotation of a (…, 4, 4) facial transformation matrix: its columns, each made unit length."""
    columns = pose[..., :3, :3].astype(np.float32)
    return columns / np.linalg.norm(columns, axis=-2, keepdims=True)


def decode_clip(path: str, rgb: np.ndarray) -> int:
    """Decode a clip into `rgb` (T, 256, 256, 3) uint8; returns its number of frames.

    Frames past T are counted, not kept. A clip that cannot be read has 0 frames.
    """
    # one thread: small clips do not gain from more, and training needs the others
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    count = 0
    try:
        while True:
            read, bgr = capture.read()
            if not read:
                return count
            if bgr.shape != (CROP_PX, CROP_PX, 3):
                raise ValueError(f"its frames are {bgr.shape[1]} x {bgr.shape[0]}, not {CROP_PX} x {CROP_PX}")
            if count < len(rgb):
                cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=rgb[count])
            count += 1
    finally:
        capture.release()


@contextlib.contextmanager
def as_file(content: bytes) -> Iterator[str]:
    """A path from which OpenCV can read `content` inside the block; in memory, so that a kill leaves no file."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("clip")
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory() as folder:  # systems other than Linux
        path = pathlib.Path(folder) / "clip.mp4"
        path.write_bytes(content)
        yield str(path)


def decode_still(content: bytes, rgb: np.ndarray) -> None:
    """Decode a picture into `rgb` (256, 256, 3) uint8.

    Raises:
        ValueError: it is not a picture, or of another size.
    """
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if bgr is None:
        raise ValueError("it is not a picture")
    if bgr.shape != (CROP_PX, CROP_PX, 3):
        raise ValueError(f"it is {bgr.shape[1]} x {bgr.shape[0]}, not {CROP_PX} x {CROP_PX}")
    cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=rgb)
