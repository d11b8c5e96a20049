"""The file of a motion template: the tracked faces of a clip as safetensors, without any of its pixels.

    face.frame   n             numbers of the frames that show a face, rising
    face.hidden  n x 3         1 where something hides the mouth, the right eye, the left eye
    shots        s             first frames of the shots
    rest.shot    r             for each face at the beginning of a shot, its index: there the reference is chosen
    numbers      n + r x 1495  faces, then those at rest: mesh (478 x 3, pixels of the clip), 52 blendshapes,
                               rotation (3 x 3)

A small file has ``numbers.packed`` in place of ``numbers``: whole steps of ``numbers.step``, compressed. The metadata
hold "kind", "format_version", "fps", "width", "height", "frames" and "name" as texts.
"""

import dataclasses
import lzma
import math
import pathlib
import re
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import safetensors
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor

from reenact.errors import UnsupportedInputError, one_line
from reenact.geometry.action_units import read_action_units
from reenact.media.output import replacing
from reenact.media.probe import existing_file
from reenact.perception.video import eye_distance_px
from reenact.types import FaceGeometry

KIND, FORMAT_VERSION = "reenact-motion", 1
MOST_FRAMES = 60_000
"""40 minutes at 25 frames a second; a file of 360 MB."""

_MESH, _SHAPES = 478 * 3, 52
NUMBERS = _MESH + _SHAPES + 9
"""Of a face."""
_SCALE = torch.cat([torch.ones(_MESH), torch.full((_SHAPES + 9,), 60.0)])
"""Pixels that weigh as much as 1 in each number, when a file is made small."""
_STEP = 0.001
"""Of a small file, in sides of the largest face."""
_MOST_MEMORY = 2**27
"""Bytes that unpacking may take besides its result."""
_LARGEST_SIDE_PX, _LOWEST_FPS, _HIGHEST_FPS = 65_536, Fraction(1, 10), 1000
_NAME_LENGTH = 200
_TYPES = {
    "numbers": (torch.float32, torch.float16),
    "numbers.step": (torch.float32,),
    **dict.fromkeys(("numbers.packed", "face.hidden"), (torch.uint8,)),
}
_RATE = re.compile(r"([0-9]{1,9})(?:/([1-9][0-9]{0,8}))?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionTemplate:
    """The motion of one face in a clip."""

    name: str
    """Of the clip, for messages."""
    fps: Fraction
    width: int
    """Of the clip's frames, pixels."""
    height: int
    frame_count: int
    frames: Int[Tensor, "n"]
    """Numbers of the frames that show the face, rising, from 0."""
    faces: FaceGeometry
    """In them, frame pixels."""
    hidden: UInt8[Tensor, "n 3"]
    """1 where something hides the mouth, the right eye, the left eye."""
    shots: Int[Tensor, "s"]
    """First frames of the shots, rising."""
    rest_shots: Int[Tensor, "r"]
    """For each row of `rest`, index of its shot, rising."""
    rest: FaceGeometry
    """Faces at the beginning of each shot; its reference is chosen among them."""


def to_numbers(faces: FaceGeometry) -> Float[Tensor, "f n"]:
    """Faces as rows of a file."""
    return torch.cat([faces.mesh_px.flatten(1), faces.blendshapes, faces.rotation.flatten(1)], 1)


def from_numbers(numbers: Float[Tensor, "f n"]) -> FaceGeometry:
    """The faces of a file's rows; Action Units follow from mesh and blendshapes."""
    mesh, shapes, rotation = numbers.split([_MESH, _SHAPES, 9], 1)
    mesh_px = mesh.reshape(-1, 478, 3)
    return FaceGeometry(
        mesh_px=mesh_px,
        blendshapes=shapes,
        rotation=rotation.reshape(-1, 3, 3),
        action_units=read_action_units(shapes, mesh_px),
        score=torch.ones(len(numbers)),
    )


def write_template(
    template: MotionTemplate, path: str | pathlib.Path, *, small: bool = False, overwrite: bool = False
) -> None:
    """Write a template; the file appears complete or not at all.

    Args:
        template: the motion.
        path: of the file, ending in .safetensors.
        small: round meshes to a thousandth of the face's size, for a file of a fifth of the size; otherwise reading
            it gives the same numbers.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputError: the file cannot be written.
    """
    numbers = torch.cat([to_numbers(template.faces), to_numbers(template.rest)]).float().cpu()
    tensors = {
        "face.frame": template.frames.int(),
        "face.hidden": template.hidden,
        "shots": template.shots.int(),
        "rest.shot": template.rest_shots.int(),
        **(_packed(numbers) if small else {"numbers": numbers}),
    }
    metadata = {
        "kind": KIND,
        "format_version": str(FORMAT_VERSION),
        "name": template.name[:_NAME_LENGTH],
        "fps": str(template.fps),
        **{name: str(getattr(template, name)) for name in ("width", "height")},
        "frames": str(template.frame_count),
    }
    with replacing(pathlib.Path(path), overwrite=overwrite) as partial:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, metadata)


def read_template(path: str | pathlib.Path) -> MotionTemplate:
    """Read and check a template.

    Raises:
        UnsupportedInputError: no such file, or one that is not a whole and sensible template.
    """
    path = existing_file(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            header = _read_header(metadata)
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
        _check_shapes(shapes, header.frame_count)
        return _checked(header, load_file(path))
    except (safetensors.SafetensorError, OSError) as error:
        raise UnsupportedInputError(
            f"{path} is not a whole motion template ({one_line(error)}); make it again from its clip."
        ) from error
    except _WrongError as error:
        raise UnsupportedInputError(f"{path} is not a motion template that can be used: {error}.") from error


class _WrongError(Exception):
    """What is wrong with a file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Header:
    name: str
    fps: Fraction
    width: int
    height: int
    frame_count: int


def _read_header(metadata: Mapping[str, str]) -> _Header:
    if metadata.get("kind") != KIND:
        raise _WrongError("it holds something else; `reenact motion CLIP` makes one")
    version = _whole(metadata, "format_version", 1, 10**6)
    if version > FORMAT_VERSION:
        raise _WrongError(f"format_version {version}, this program reads up to {FORMAT_VERSION}; update the program")
    rate = metadata.get("fps", "")[:40]
    found = _RATE.fullmatch(rate)
    fps = Fraction(int(found[1]), int(found[2] or 1)) if found else Fraction(0)
    if not _LOWEST_FPS <= fps <= _HIGHEST_FPS:
        raise _WrongError(f"its rate is {rate!r}, it has to be frames a second, such as 25 or 30000/1001")
    return _Header(
        name=" ".join(metadata.get("name", "").split())[:_NAME_LENGTH],
        fps=fps,
        width=_whole(metadata, "width", 1, _LARGEST_SIDE_PX),
        height=_whole(metadata, "height", 1, _LARGEST_SIDE_PX),
        frame_count=_whole(metadata, "frames", 1, MOST_FRAMES),
    )


def _whole(metadata: Mapping[str, str], name: str, lowest: int, highest: int) -> int:
    text = metadata.get(name, "")[:20]
    if not (text.isascii() and text.isdecimal() and lowest <= int(text) <= highest):
        raise _WrongError(f'"{name}" is {text!r}, it has to be a number from {lowest} to {highest}')
    return int(text)


def _check_shapes(shapes: Mapping[str, tuple[int, ...]], frame_count: int) -> None:
    """Refuse tensors that are missing, unknown or do not fit each other, before anything is loaded."""
    count, rest = (shapes.get(name, ())[:1] for name in ("face.frame", "rest.shot"))
    wanted: dict[str, tuple[int, ...]] = {"face.frame": count, "face.hidden": (*count, 3), "rest.shot": rest}
    wanted["shots"] = shapes.get("shots", ())[:1]
    if "numbers.packed" in shapes:
        wanted |= {"numbers.packed": shapes["numbers.packed"][:1], "numbers.step": (1,)}
    else:
        wanted["numbers"] = (sum(count + rest), NUMBERS)
    for name in sorted(shapes.keys() | wanted.keys()):
        if shapes.get(name) != wanted.get(name):
            raise _WrongError(f'its "{name[:40]}" is missing, unknown or has a wrong shape')
    sizes = {"face.frame": count, "rest.shot": rest, "shots": wanted["shots"]}
    for name, size in sizes.items():
        if len(size) != 1 or not (name == "rest.shot" or size[0] >= 1) or size[0] > frame_count + 1000:
            raise _WrongError(f'its "{name}" does not fit {frame_count} frames')


def _checked(header: _Header, tensors: dict[str, Tensor]) -> MotionTemplate:
    """The template of tensors that have the right shapes."""
    for name, tensor in tensors.items():
        if tensor.dtype not in _TYPES.get(name, (torch.int32, torch.int64)):
            raise _WrongError(f'its "{name}" has numbers of the type {tensor.dtype}')
    frames, shots, rest_shots = (_rising(tensors, name) for name in ("face.frame", "shots", "rest.shot"))
    if int(frames[-1]) >= header.frame_count or int(shots[-1]) >= header.frame_count:
        raise _WrongError("it has frames after its end")
    if len(set(frames.tolist())) != len(frames) or len(set(shots.tolist())) != len(shots):
        raise _WrongError("it has a frame twice")
    if len(rest_shots) and int(rest_shots[-1]) >= len(shots):
        raise _WrongError("it has faces of a shot that it has not")
    hidden = tensors["face.hidden"]
    if int(hidden.max()) > 1:
        raise _WrongError('its "face.hidden" has other values than 0 and 1')
    parts = len(frames), len(rest_shots)
    if "numbers.packed" in tensors:
        numbers = _unpacked(tensors["numbers.packed"], tensors["numbers.step"], sum(parts))
    else:
        numbers = tensors["numbers"].float()
    faces, rest = (_read_faces(rows, header) for rows in numbers.split(parts))
    return MotionTemplate(
        **vars(header), frames=frames, faces=faces, hidden=hidden, shots=shots, rest_shots=rest_shots, rest=rest
    )


def _rising(tensors: Mapping[str, Tensor], name: str) -> Int[Tensor, "n"]:
    values = tensors[name]
    if len(values) and (int(values[0]) < 0 or bool((values.diff() < 0).any())):
        raise _WrongError(f'its "{name}" does not rise')
    return values.long()


def _read_faces(numbers: Float[Tensor, "f n"], header: _Header) -> FaceGeometry:
    if not bool(torch.isfinite(numbers).all()):
        raise _WrongError("it has numbers that are not finite")
    faces = from_numbers(numbers)
    if bool((faces.mesh_px.abs() > 10 * max(header.width, header.height)).any()):
        raise _WrongError("it has faces far outside its frames")
    if bool((eye_distance_px(faces.mesh_px) < 1).any()) or bool((faces.mesh_px[..., :2].std(1) < 1).any()):
        raise _WrongError("it has faces without a size")
    off = faces.rotation @ faces.rotation.transpose(1, 2) - torch.eye(3)
    if bool((off.abs() > 0.1).any()) or bool(((faces.blendshapes < -0.1) | (faces.blendshapes > 1.1)).any()):
        raise _WrongError("it has rotations or blendshapes out of range")
    return faces


def _packed(rows: Float[Tensor, "n m"]) -> dict[str, Tensor]:
    """Rows in whole steps, as compressed differences from row to row."""
    points = rows[:, :_MESH].unflatten(1, (478, 3))[..., :2]
    step = _STEP * float((points.amax(1) - points.amin(1)).max())
    steps = (rows.double() * _SCALE / step).round().long().numpy().T
    change = np.diff(steps, axis=1, prepend=0).astype(np.int32)
    # low bytes first: small changes of either sign leave the other planes empty
    folded = ((change << 1) ^ (change >> 31)).astype("<u4")
    planes = folded.reshape(-1).view(np.uint8).reshape(-1, 4).T
    packed = lzma.compress(np.ascontiguousarray(planes).tobytes(), preset=6)
    return {
        "numbers.packed": torch.frombuffer(bytearray(packed), dtype=torch.uint8),
        "numbers.step": torch.tensor([step], dtype=torch.float32),
    }


def _unpacked(packed: UInt8[Tensor, "b"], step: Float[Tensor, "1"], count: int) -> Float[Tensor, "n m"]:
    """The rows of `_packed`."""
    if not 0 < float(step) < math.inf:
        raise _WrongError("its numbers have no scale")
    size = 4 * count * NUMBERS
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)
        planes = unpacker.decompress(packed.numpy().tobytes(), max_length=size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise _WrongError(f"its numbers cannot be unpacked ({one_line(error)})") from error
    if len(planes) != size:
        raise _WrongError("its numbers are not complete")
    folded = np.frombuffer(planes, np.uint8).reshape(4, -1).T.copy().view("<u4").reshape(NUMBERS, count)
    change = (folded >> 1).astype(np.int64) ^ -(folded & 1).astype(np.int64)
    return torch.from_numpy(np.cumsum(change, axis=1).T * float(step)).float() / _SCALE
