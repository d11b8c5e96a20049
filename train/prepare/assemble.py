"""The last stage: from the units of all files to people, splits, shards and index.

The set is written to a separate folder and moved when it is complete, the index last. If a run is killed here, the old
set or none is left, and the same command repeats the stage.
"""

import base64
import collections
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from train.data.shards import Index, Sample, ShardEntry, shard_name, write_index, write_shard
from train.prepare.filters import Rejection
from train.prepare.people import SPLITS, Face, People, sort_people
from train.prepare.settings import PrepareSettings
from train.prepare.unit import SUMMARY_KEY

CLIP_FACTS = ("fps", "frames", "face_px_in_source", "yaw_min", "yaw_max", "origin", "start_s", "crop_px", "labels")
STILL_FACTS = ("synthetic", "face_px_in_source", "yaw_min", "yaw_max", "origin", "crop_px", "labels")
"""Facts in the json of a sample, besides its person."""

_NOT_IN_SET = ("json", "jpg")


@dataclasses.dataclass(kw_only=True)
class Entry:
    """A sample in the unit of its file."""

    unit: pathlib.Path
    """The tar file that holds it."""
    members: dict[str, tuple[int, int]]
    """Offset and length in that file, by extension."""
    facts: dict[str, Any]
    key: str = ""
    """Key in the set."""
    person: str = ""
    split: str = ""

    @property
    def is_clip(self) -> bool:
        return "mp4" in self.members

    def read(self, *, names: Sequence[str] | None = None) -> dict[str, bytes]:
        """Content of its files by extension; `names` selects some."""
        with self.unit.open("rb") as file:
            content = {}
            for name, (offset, length) in self.members.items():
                if names is None or name in names:
                    file.seek(offset)
                    content[name] = file.read(length)
        return content

    def sample(self) -> Sample:
        """The sample for a shard."""
        kept = CLIP_FACTS if self.is_clip else STILL_FACTS
        facts = {"person": self.person} | {name: self.facts[name] for name in kept if name in self.facts}
        files = {name: content for name, content in self.read().items() if name not in _NOT_IN_SET}
        return Sample(key=self.key, files=files | {"json": json.dumps(facts, ensure_ascii=False).encode()})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Material:
    """Content of all units."""

    entries: list[Entry]
    rejected: list[tuple[Rejection, Entry | None]]
    """Each with the entry that holds its picture."""
    frames: int
    face_frames: int


def read_units(paths: Sequence[pathlib.Path], failed: Sequence[Rejection]) -> Material:
    """List the content of units, in the order of their sources, without reading pictures."""
    entries: list[Entry] = []
    rejected: list[tuple[Rejection, Entry | None]] = [(one, None) for one in failed]
    frames = face_frames = 0
    for path in paths:
        by_key = _read_unit(path)
        summary = by_key.pop(SUMMARY_KEY).facts
        frames, face_frames = frames + summary["frames"], face_frames + summary["face_frames"]
        for one in summary["rejected"]:
            rejection = Rejection(**one)
            rejected.append((rejection, by_key.get(rejection.thumbnail)))
        entries += [entry for _, entry in sorted(by_key.items()) if "rejected" not in entry.facts]
    return Material(entries=entries, rejected=sorted(rejected, key=_place), frames=frames, face_frames=face_frames)


def _place(rejected: tuple[Rejection, Entry | None]) -> tuple[str, float, str]:
    return rejected[0].origin, rejected[0].start_s or 0.0, rejected[0].reason


def _read_unit(path: pathlib.Path) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            entry = found.setdefault(key, Entry(unit=path, members={}, facts={}))
            entry.members[extension] = (member.offset_data, member.size)
            if extension == "json":
                content = tar.extractfile(member)
                assert content is not None
                entry.facts = json.loads(content.read())
    return found


def name_entries(material: Material, settings: PrepareSettings) -> Material:
    """Give every sample its person, split and key; samples that contradict their known person are rejected."""
    if not material.entries:
        return material
    people = _people_of(material.entries, settings)
    counts: collections.Counter[str] = collections.Counter()
    entries, rejected = [], list(material.rejected)
    for entry, person, split, similarity in zip(
        material.entries, people.person, people.split, people.similarity, strict=True
    ):
        if person is None:
            rejected.append((_other_person(entry, similarity), entry))
            continue
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", person)[:60].strip("-") or "person"
        counts[name] += 1
        entry.person, entry.split, entry.key = person, split, f"{name}_{counts[name]:04d}"
        entries.append(entry)
    return dataclasses.replace(material, entries=entries, rejected=sorted(rejected, key=_place))


def _people_of(entries: list[Entry], settings: PrepareSettings) -> People:
    faces = [
        Face(
            track=f"{entry.facts['origin']}:{entry.facts['track']}",
            known_person=entry.facts["known_person"],
            embedding=np.frombuffer(base64.b64decode(entry.facts["mean_embedding"]), np.float32),
            frames=entry.facts["frames"],
        )
        for entry in entries
    ]
    return sort_people(
        faces,
        same_person=settings.same_person,
        same_side=settings.same_side,
        val_share=settings.val_share,
        test_share=settings.test_share,
        seed=settings.seed,
    )


def _other_person(entry: Entry, similarity: float) -> Rejection:
    facts = entry.facts
    start = facts.get("start_s")
    seconds = facts["frames"] / _rate(facts["fps"]) if entry.is_clip else 0.0
    return Rejection(
        origin=facts["origin"],
        reason="other person",
        detail=f"similarity {similarity:.2f} to {facts['known_person']}",
        start_s=start,
        end_s=None if start is None else round(start + seconds, 4),
        frames=facts["frames"],
    )


def write_set(
    folder: pathlib.Path, entries: Sequence[Entry], settings: PrepareSettings, facts: dict[str, Any]
) -> Index:
    """Write shards and index into an empty folder.

    Args:
        folder: an empty folder.
        entries: of `name_entries`.
        settings: size of a shard and order of samples.
        facts: settings for the index.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    shards: list[ShardEntry] = []
    for split in SPLITS:
        # shuffled, so that a shard holds many people
        mine = sorted((entry for entry in entries if entry.split == split), key=lambda one: _order(settings.seed, one))
        for number, group in enumerate(_groups(mine, settings.shard_mb * 2**20)):
            shards.append(write_shard(folder / shard_name(split, number), (one.sample() for one in group), split))
    index = Index(settings=facts, people=len({entry.person for entry in entries}), shards=tuple(shards))
    write_index(folder, index)
    return index


def _order(seed: int, entry: Entry) -> str:
    return hashlib.sha256(f"{seed}:{entry.key}".encode()).hexdigest()


def _groups(entries: list[Entry], most_bytes: int) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    size = 0
    for entry in entries:
        length = sum(length for name, (_, length) in entry.members.items() if name not in _NOT_IN_SET)
        if group and size + length > most_bytes:
            yield group
            group, size = [], 0
        group.append(entry)
        size += length
    if group:
        yield group


def move_into_place(finished: pathlib.Path, out: pathlib.Path) -> None:
    """Replace the old files by the finished ones; the old index is removed first and the new one moved last."""
    index = out / "index.json"
    index.unlink(missing_ok=True)
    names = sorted(path.name for path in finished.iterdir() if path.name != index.name)
    for name in names:
        old = out / name
        if old.is_dir():
            shutil.rmtree(old)
        (finished / name).replace(old)
    _sync(out)
    if (finished / index.name).exists():
        (finished / index.name).replace(index)
    _sync(out)
    finished.rmdir()


def _sync(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hours_of(entries: Sequence[Entry]) -> float:
    """Playing time of the clips among the entries."""
    return sum(entry.facts["frames"] / _rate(entry.facts["fps"]) for entry in entries if entry.is_clip) / 3600


def _rate(fps: str) -> float:
    above, _, below = fps.partition("/")
    return float(above) / float(below or 1)


def by_person(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Entries of each person; people with most frames come first."""
    ordered = sorted(entries, key=lambda entry: entry.person)
    groups = {person: list(group) for person, group in itertools.groupby(ordered, key=lambda entry: entry.person)}
    return dict(sorted(groups.items(), key=lambda item: (-sum(e.facts["frames"] for e in item[1]), item[0])))
