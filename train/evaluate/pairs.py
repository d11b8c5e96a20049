"""Pairs of pictures by name, and the file that lets others evaluate the same pairs."""

import dataclasses
import hashlib
import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from reenact.errors import ConfigError, UnsupportedInputError
from train.data.faces import FaceData
from train.evaluate.settings import ProtocolName

FORMAT_VERSION = 2
KIND = "reenact-pairs"

_TURNED = re.compile(r"(.+)@([+-]\d+\.\d)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """One picture to redraw with the motion of another; names as in `FaceData.names`."""

    source: str
    target: str
    """The driving frame; also a real picture of the result if it is of the source's clip."""
    direction: str = ""
    """Of `profiled_pairs`."""
    yaw_match: str = ""
    """A picture of the source's person at the target's yaw, for the identity similarity of two real frames."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """A source and consecutive driving frames, for the temporal jitter."""

    source: str
    driving: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Triplet:
    """Two pictures of one person, and a driving frame of another person with the pose and expression of the second.

    FACEGAN, section 5.3: the result should have the landmarks of the second picture.
    """

    source: str
    second: str
    driving: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairSet:
    """Pairs, runs and triplets of a protocol."""

    protocol: ProtocolName
    split: str
    seed: int
    pairs: tuple[Pair, ...]
    runs: tuple[Run, ...] = ()
    triplets: tuple[Triplet, ...] = ()
    found: dict[str, int] = dataclasses.field(default_factory=dict)
    """Counts of the data that pairs were drawn from."""
    note: str = ""
    """Shown in the report: a fall-back, or fewer pairs than asked for."""

    def names(self) -> list[str]:
        """Names of all pictures, each once, in order of appearance."""
        every = [name for pair in self.pairs for name in (pair.source, pair.target, pair.yaw_match) if name]
        every += [name for run in self.runs for name in (run.source, *run.driving)]
        every += [name for triplet in self.triplets for name in (triplet.source, triplet.second, triplet.driving)]
        return list(dict.fromkeys(every))


def rows_by_name(data: FaceData) -> dict[str, int]:
    """Row of every picture, by name."""
    return {name: row for row, name in enumerate(data.names)}


def draw_row(data: FaceData, rows: np.ndarray, rng: np.random.Generator) -> int:
    """A random row of a random person, so that people with many pictures do not dominate."""
    return int(rng.choice(rows[data.person[rows] == rng.choice(np.unique(data.person[rows]))]))


def turned_name(name: str, yaw_deg: float | None) -> str:
    """Name of a picture turned to a yaw by face profiling; with None that of the photograph."""
    return name if yaw_deg is None else f"{name}@{yaw_deg:+.1f}"


def base_and_yaw(name: str) -> tuple[str, float | None]:
    """Name of the photograph of a picture, and the yaw that it is turned to."""
    found = _TURNED.fullmatch(name)
    return (found[1], float(found[2])) if found else (name, None)


def count_drivers(data: FaceData, pairs: Sequence[Pair]) -> int:
    """Number of driving people, over which confidence intervals are drawn."""
    rows = rows_by_name(data)
    return len({int(data.person[rows[base_and_yaw(pair.target)[0]]]) for pair in pairs})


def fingerprint(pairs: PairSet, data: FaceData) -> str:
    """sha256 of the names and labelled meshes of all pictures of the pairs."""
    rows, digest = rows_by_name(data), hashlib.sha256()
    for name in pairs.names():
        row = rows[base_and_yaw(name)[0]]
        mesh_16 = np.round(np.asarray(data.mesh_px[row], np.float64) * 16).astype("<i4")
        digest.update(name.encode() + b"\0" + mesh_16.tobytes())
    return digest.hexdigest()


def save_pairs(pairs: PairSet, data: FaceData, path: pathlib.Path) -> None:
    """Write a file for ``--pairs-file``."""
    content = {
        "format_version": FORMAT_VERSION,
        "kind": KIND,
        "data_sha256": fingerprint(pairs, data),
        **dataclasses.asdict(pairs),
        "pairs": [{key: value for key, value in dataclasses.asdict(each).items() if value} for each in pairs.pairs],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def load_pairs(path: pathlib.Path, data: FaceData, *, protocol: ProtocolName, split: str) -> PairSet:
    """Read a pairs file and check that it belongs to this data.

    Args:
        path: the file.
        data: the split it was drawn from.
        protocol: of the evaluation.
        split: name of the split.

    Raises:
        UnsupportedInputError: the file is missing or no pairs file, or its pictures differ from those of the data.
        ConfigError: it was drawn for another protocol.
    """
    content = _read(path)
    try:
        pairs = PairSet(
            protocol=content["protocol"],
            split=content["split"],
            seed=content["seed"],
            pairs=tuple(Pair(**each) for each in content["pairs"]),
            runs=tuple(Run(source=each["source"], driving=tuple(each["driving"])) for each in content["runs"]),
            triplets=tuple(Triplet(**each) for each in content["triplets"]),
            found=content["found"],
            note=content["note"],
        )
        data_sha256 = content["data_sha256"]
    except (KeyError, TypeError) as error:
        raise UnsupportedInputError(
            f"{path} is not a complete pairs file ({error}); use the pairs.json that an evaluation wrote."
        ) from error
    if pairs.protocol != protocol:
        raise ConfigError(f"{path} holds pairs of the protocol {pairs.protocol}; give --protocol {pairs.protocol}.")
    missing = sorted({base_and_yaw(name)[0] for name in pairs.names()} - set(data.names))
    if missing:
        raise UnsupportedInputError(
            f"{path} names {missing[0]!r}, which is not in split {split!r} of this data set ({len(missing)} of its "
            f"{len(pairs.names())} pictures are missing); give the --data and --split {pairs.split} it was drawn from."
        )
    if fingerprint(pairs, data) != data_sha256:
        raise UnsupportedInputError(
            f"{path} was drawn from another data set, whose pictures have the same names but other labels; "
            "give that data set, or leave --pairs-file out."
        )
    return pairs


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise UnsupportedInputError(f"The pairs file {path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise UnsupportedInputError(f"{path} is not a pairs file: it is not JSON ({error}).") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise UnsupportedInputError(f"{path} is not a pairs file; use the pairs.json that an evaluation wrote.")
    if content.get("format_version") != FORMAT_VERSION:
        raise UnsupportedInputError(
            f"{path} has format_version {content.get('format_version')}, this program reads {FORMAT_VERSION}; use the "
            "version of the program that wrote it, or draw the pairs again with the same --seed."
        )
    return content
