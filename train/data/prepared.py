"""Decoding the shards of a prepared set (docs/data.md)."""

import functools
import pathlib
import zipfile
from collections.abc import Callable, Sequence

from reenact.errors import UnsupportedInputError
from train.data.face_table import FaceTable, as_file, decode_clip
from train.data.remote import ShardSource
from train.data.shards import Sample, ShardEntry, decode_arrays, read_shard


def read_shards(
    source: ShardSource,
    entries: Sequence[ShardEntry],
    rgb_path: pathlib.Path | None = None,
    on_sample: Callable[[], None] | None = None,
) -> FaceTable:
    """Decode shards, one after the other.

    Args:
        source: of the shards.
        entries: in the order of the rows.
        rgb_path: ``.npy`` file for the pictures; None keeps them in memory.
        on_sample: called before each sample; may raise to stop.

    Raises:
        UnsupportedInputError: a shard or a sample is damaged.
    """
    table = FaceTable(sum(entry.pictures for entry in entries), rgb_path)
    for entry in entries:
        with source.opened(entry) as path:
            for sample in read_shard(path):
                if on_sample is not None:
                    on_sample()
                _add(table, sample, f"{source.where}/{entry.file}")
    return table


def _add(table: FaceTable, sample: Sample, where: str) -> None:
    try:
        facts, labels = sample.facts, decode_arrays(sample.files["npz"])
        person = str(facts["person"])
        if not sample.is_clip:
            table.add_still(sample.key, person, labels, sample.files["png"])
            return
        with as_file(sample.files["mp4"]) as path:
            table.add_clip(sample.key, person, labels, functools.partial(decode_clip, path))
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        words = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise UnsupportedInputError(
            f"sample {sample.key} of {where} cannot be used: {words}; download it again or run train.prepare again"
        ) from error
