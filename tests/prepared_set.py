"""Tiny prepared sets: clips and stills of a single colour, in shards with an index."""

import json
import pathlib
import tempfile

import cv2
import numpy as np

from tests.labelled_set import write_clip
from train.data.shards import Index, Sample, encode_arrays, shard_name, write_index, write_shard

FRAMES = 3
"""Default number of frames of a clip."""

Colour = tuple[int, int, int]


def made_labels(rng: np.random.Generator, frames: int | None) -> dict[str, np.ndarray]:
    """Random labels with valid shapes and types, for a clip of `frames` or a still (None)."""
    count = frames or 1
    pose = np.zeros((count, 4, 4), np.float16)
    pose[:, :3, :3] = 2.5 * np.eye(3)
    pose[:, 3, 3] = 1
    embedding = rng.normal(size=(count, 256))
    mesh_16 = rng.integers(0, 4096, (count, 478, 3))
    labels = {
        "blendshapes": rng.integers(0, 256, (count, 52), dtype=np.uint8),
        "pose": pose,
        "embedding": (embedding / np.linalg.norm(embedding, axis=1, keepdims=True)).astype(np.float16),
        "action_units": rng.integers(0, 256, (count, 17), dtype=np.uint8),
        "score": np.full(count, 255, np.uint8),
    }
    if frames is None:
        parsing = rng.integers(0, 5, (1, 128, 128), dtype=np.uint8)
        whole = labels | {"mesh_16": mesh_16.astype(np.int16), "parsing": parsing}
        return {name: values[0] for name, values in whole.items()}
    differences = np.concatenate([mesh_16[:1], np.diff(mesh_16, axis=0)]).astype(np.int16)
    parsing = rng.integers(0, 5, ((count + 1) // 2, 128, 128), dtype=np.uint8)
    return labels | {"mesh_d16": differences, "parsing": parsing}


def clip_sample(key: str, person: str, colour: Colour, *, frames: int = FRAMES, side: int = 256) -> Sample:
    """A clip of a single RGB colour."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "clip.mp4"
        write_clip(path, np.full((frames, side, side, 3), colour, np.uint8))
        mp4 = path.read_bytes()
    labels = made_labels(np.random.default_rng(sum(map(ord, key))), frames)
    facts = json.dumps({"person": person, "fps": "25/2", "frames": frames}).encode()
    return Sample(key=key, files={"mp4": mp4, "npz": encode_arrays(labels), "json": facts})


def still_sample(key: str, person: str, colour: Colour) -> Sample:
    """A still of a single RGB colour."""
    png = cv2.imencode(".png", np.full((256, 256, 3), colour[::-1], np.uint8))[1].tobytes()
    labels = made_labels(np.random.default_rng(sum(map(ord, key))), None)
    return Sample(
        key=key, files={"png": png, "npz": encode_arrays(labels), "json": json.dumps({"person": person}).encode()}
    )


def write_set(root: pathlib.Path, splits: dict[str, list[list[Sample]]]) -> Index:
    """Write one shard for each list of samples of each split, and the index."""
    entries = []
    for split, shards in splits.items():
        for number, samples in enumerate(shards):
            entries.append(write_shard(root / shard_name(split, number), samples, split))
    people = {sample.facts.get("person") for shards in splits.values() for samples in shards for sample in samples}
    index = Index(settings={"side": 256}, people=len(people), shards=tuple(entries))
    write_index(root, index)
    return index
