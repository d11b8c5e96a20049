"""Make a prepared set of a labelled folder, and verify a prepared set: ``python -m train.data pack|check``."""

import hashlib
import itertools
import json
import pathlib
import re
import time
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
import tyro

from reenact.errors import OutputError, UnsupportedInputError
from reenact.geometry.action_units import read_action_units
from train.data.faces import read_table, require_labelled, still_labels
from train.data.prepared import read_shards
from train.data.remote import open_source
from train.data.shards import Index, Sample, decode_arrays, encode_arrays, shard_name, write_index, write_shard

_LABELS = ("blendshapes", "pose", "parsing", "embedding")
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
"""Three times as fast as level 6, and a twelfth larger."""


Positional = tyro.conf.Positional


def pack(data: Positional[pathlib.Path], out: Positional[pathlib.Path], *, pictures_per_shard: int = 1000) -> Index:
    """Write the shards of a labelled folder with its own split. Clips are copied unchanged, stills become PNG.

    Args:
        data: labelled folder (docs/data.md). The same folder gives the same bytes.
        out: gets index.json and shards/.
        pictures_per_shard: size of a shard; 1,000 decoded pictures take 200 MB of memory.

    Raises:
        OutputError: the output folder holds a set already, or cannot be written.
        UnsupportedInputError: the input is not a labelled folder.
        ValueError: pictures and labels do not match.
    """
    if (out / "index.json").exists():
        raise OutputError(f"{out} holds a prepared set already; give another folder, or delete this one")
    require_labelled(data)
    tables = {kind: read_table(data / f"{kind}.csv") for kind in ("clips", "stills")}
    people = {row["person"] for row in itertools.chain(*tables.values())}
    entries = []
    for split in sorted({row["split"] for row in itertools.chain(*tables.values())}):
        chosen = {kind: [row for row in rows if row["split"] == split] for kind, rows in tables.items()}
        groups = _groups(chosen["clips"], chosen["stills"], pictures_per_shard)
        for number, rows in enumerate(groups):
            entry = write_shard(out / shard_name(split, number), _samples(data, rows), split)
            entries.append(entry)
            print(f"{entry.file}: {entry.clips} clips, {entry.stills} stills, {entry.frames} frames", flush=True)
    settings = {"made_by": "train.data pack", "side": 256, "pictures_per_shard": pictures_per_shard}
    index = Index(settings=settings, people=len(people), shards=tuple(entries))
    write_index(out, index)
    return index


def _groups(
    clips: list[dict[str, str]], stills: list[dict[str, str]], pictures: int
) -> Iterator[Sequence[dict[str, str]]]:
    """Rows of each shard, in pseudo-random order, so that every shard has many people."""
    rows = sorted(clips + stills, key=lambda row: hashlib.sha256(_name(row).encode()).digest())
    group: list[dict[str, str]] = []
    count = 0
    for row in rows:
        group.append(row)
        count += int(row.get("frames", 1))
        if count >= pictures:
            yield group
            group, count = [], 0
    if group:
        yield group


def _name(row: dict[str, str]) -> str:
    return row["clip"] if "clip" in row else row["still"]


def _samples(root: pathlib.Path, rows: Sequence[dict[str, str]]) -> Iterator[Sample]:
    stills = [row for row in rows if "still" in row]
    labels_of = {row["still"]: labels for row, labels in zip(stills, still_labels(root, stills), strict=True)}
    for row in rows:
        yield _still_sample(root, row, labels_of[row["still"]]) if "still" in row else _clip_sample(root, row)


def _clip_sample(root: pathlib.Path, row: dict[str, str]) -> Sample:
    name = row["clip"]
    labels = decode_arrays((root / "clips" / f"{name}.npz").read_bytes())
    mesh_px = np.cumsum(labels["mesh_d16"], axis=0, dtype=np.int32) / 16
    if len(mesh_px) != int(row["frames"]):
        raise ValueError(f"{name}.npz labels {len(mesh_px)} frames, clips.csv says {row['frames']}")
    facts = {"person": row["person"], "fps": row["fps"], "frames": len(mesh_px)} | _origin(row)
    facts |= {key: float(row[key]) for key in ("yaw_min", "yaw_max") if row.get(key)}
    arrays = {key: labels[key] for key in ("mesh_d16", *_LABELS)} | _derived(labels["blendshapes"], mesh_px)
    mp4 = (root / "clips" / f"{name}.mp4").read_bytes()
    return Sample(key=_key(name), files={"mp4": mp4, "npz": encode_arrays(arrays), "json": _json(facts)})


def _still_sample(root: pathlib.Path, row: dict[str, str], labels: dict[str, np.ndarray]) -> Sample:
    path = root / "stills" / f"{row['still']}.jpg"
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path} is missing or not a picture; replace it or remove its row from stills.csv")
    derived = _derived(labels["blendshapes"][None], labels["mesh_16"][None] / 16)
    arrays = {key: labels[key] for key in ("mesh_16", *_LABELS)} | {key: value[0] for key, value in derived.items()}
    facts = {"person": row["person"], "synthetic": row.get("synthetic") == "1"} | _origin(row)
    png = cv2.imencode(".png", bgr, _PNG)[1].tobytes()
    return Sample(key=_key(row["still"]), files={"png": png, "npz": encode_arrays(arrays), "json": _json(facts)})


def _derived(blendshapes: np.ndarray, mesh_px: np.ndarray) -> dict[str, np.ndarray]:
    """Action Units as intensity / 5 * 255; labels without a score count as certain."""
    scores, mesh = torch.from_numpy(blendshapes / 255).float(), torch.from_numpy(mesh_px).float()
    units = read_action_units(scores, mesh).mul(255).round().byte().numpy()
    return {"action_units": units, "score": np.full(len(units), 255, np.uint8)}


def _origin(row: dict[str, str]) -> dict[str, str | float]:
    facts: dict[str, str | float] = {"origin": row.get("repo", ""), "licence": row.get("licence", "")}
    return facts | ({"face_px_in_source": float(row["face_px_in_source"])} if row.get("face_px_in_source") else {})


def _key(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_\-]", "_", name)


def _json(facts: dict[str, str | float | int | bool]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()


def check(data: Positional[str], *, cache: pathlib.Path = pathlib.Path("runs/cache")) -> None:
    """Compare every shard of a prepared set with its sha256 and decode it.

    Args:
        data: folder, http(s):// or hf:// address.
        cache: folder for downloaded shards.

    Raises:
        UnsupportedInputError: the first error found.
    """
    source = open_source(data, cache)
    index = source.read_index()
    people: dict[str, set[str]] = {}
    began, cpu = time.perf_counter(), time.process_time()
    for entry in index.shards:
        table = read_shards(source, [entry])
        table.finish()
        people.setdefault(entry.split, set()).update(table.people)
        print(f"{entry.file}: {entry.pictures} pictures, {len(set(table.people))} people", flush=True)
    pictures, cpu_s = sum(entry.pictures for entry in index.shards), time.process_time() - cpu
    took_s = time.perf_counter() - began
    print(f"{pictures} pictures in {took_s:.1f} s; {pictures / cpu_s:.0f} for each second of a core")
    for one, other in itertools.combinations(sorted(people), 2):
        if both := sorted(people[one] & people[other]):
            raise UnsupportedInputError(
                f"{source.where}: {both[0]} and {len(both) - 1} others are in {one} and in {other}; "
                "figures on this set would be meaningless: prepare it again"
            )
