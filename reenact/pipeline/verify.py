"""What a file says, and what its pixels show, of where it comes from."""

import dataclasses
import itertools
import json
import mmap
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from reenact.errors import MissingDependencyError
from reenact.media import Frame, VideoReader, kind_of, read_image
from reenact.provenance.manifest import read_manifest
from reenact.provenance.metadata import SOURCE_TYPES, SYNTHETIC_TYPES
from reenact.provenance.watermark import CERTAIN, FOUND, false_alarm_rate, watermark_score

_MOST_FRAMES, _LAST_FRAME = 50, 1500
"""Frames of a clip that are looked at, evenly spaced, and where looking ends: a minute of a usual clip."""
_TEXT = re.compile(rb"(Synthetic: [ -~]{0,100}?by the program reenact)")
_SOURCE_TYPE = re.compile(
    SOURCE_TYPES.encode().replace(b".", rb"\.") + b"(" + "|".join(SYNTHETIC_TYPES).encode() + b")"
)
_MANIFEST = re.compile(rb"jumb.{4}jumdc2pa", re.DOTALL)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found in a file."""

    name: str
    text: str | None
    """This program's remark in the metadata."""
    source_type: str | None
    """IPTC's term for what no camera has seen, in the metadata of any program."""
    score: float
    """Of the watermark, in standard deviations: unmarked files lie around 0."""
    manifest: str
    """"none", "unread" without the library that reads it, else C2PA's "Trusted", "Valid" or "Invalid"."""
    claimed_by: str | None = None
    """The program that the manifest names."""

    @property
    def has_watermark(self) -> bool:
        """Whether the score is that of a marked file."""
        return self.score >= FOUND

    @property
    def verdict(self) -> str:
        """One sentence for readers."""
        if self.score >= CERTAIN:
            return "Made with reenact: its watermark is in the pixels; this is certain."
        if self.has_watermark:
            return "Made with reenact: its watermark is in the pixels; this is very probable."
        if self.text is not None or self.claimed_by == "reenact":
            return "Made with reenact, says its metadata, which anybody can write; no watermark was found."
        if self.source_type is not None:
            return "Synthetic, says its metadata, which anybody can write; no watermark of reenact was found."
        return "No sign of reenact was found. That does not prove that the file is a recording: marks can be removed."

    def lines(self) -> list[str]:
        """All findings in words: metadata, watermark, manifest."""
        metadata = [f"“{self.text}”"] * (self.text is not None)
        if self.source_type is not None:
            metadata.append(f"digital source type {self.source_type} ({SYNTHETIC_TYPES[self.source_type]})")
        found = "found" if self.has_watermark else "not found"
        chance = "as those of files without it"
        if self.score >= CERTAIN:
            chance = "less than one file in a billion has this without it"
        elif self.score > 1:
            chance = f"one file in {1 / false_alarm_rate(self.score):,.0f} has this without it"
        manifests = {
            "none": "none",
            "unread": "there is one; pip install c2pa-python to read it",
            "Invalid": "there is one, but the file was changed after it was signed, or it is broken",
            "Valid": f"signed by {self.claimed_by}, unchanged since; who holds the certificate was not checked",
            "Trusted": f"signed by {self.claimed_by}, unchanged since, with a trusted certificate",
        }
        return [
            f"Metadata: {'; '.join(metadata) or 'nothing'}.",
            f"Watermark: {found}, score {self.score:.1f}; {chance}.",
            f"C2PA manifest: {manifests.get(self.manifest, self.manifest)}.",
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": self.name,
            "verdict": self.verdict,
            "metadata": {"text": self.text, "digital_source_type": self.source_type},
            "watermark": {
                "found": self.has_watermark,
                "score": round(self.score, 2),
                "false_alarm_rate": false_alarm_rate(self.score),
            },
            "c2pa": {"state": self.manifest, "claimed_by": self.claimed_by},
        }

    def to_json(self) -> str:
        """`as_dict` as text."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n"


def verify(file: str | pathlib.Path) -> Findings:
    """Look for everything that this program writes into results.

    Args:
        file: a picture or a clip. Of a clip, about 50 of its first 1,500 frames are looked at.

    Raises:
        UnsupportedInputError: the file is missing, or neither a picture nor a clip that can be read.
    """
    path = pathlib.Path(file)
    score = watermark_score(_frames(path))
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # the same words in every format: no format stores them packed
        text, source_type = _found(_TEXT, content), _found(_SOURCE_TYPE, content)
        has_manifest = _MANIFEST.search(content) is not None
    state, claimed_by = _manifest(path) if has_manifest else ("none", None)
    return Findings(
        name=path.name,
        text=text,
        source_type=source_type,
        score=score,
        manifest=state,
        claimed_by=claimed_by,
    )


def _found(pattern: re.Pattern[bytes], content: mmap.mmap) -> str | None:
    """The group of the first match."""
    match = pattern.search(content)
    return None if match is None else match.group(1).decode()


def _frames(path: pathlib.Path) -> Iterator[Frame]:
    """A picture, or frames of a clip."""
    if kind_of(path) != "video":
        yield read_image(path).rgb
        return
    with VideoReader(path) as reader:
        count = min(reader.info.frame_count or _LAST_FRAME, _LAST_FRAME)
        yield from itertools.islice(reader, 0, _LAST_FRAME, max(count // _MOST_FRAMES, 1))


def _manifest(path: pathlib.Path) -> tuple[str, str | None]:
    """State of a manifest, and the program that it names."""
    try:
        read = read_manifest(path)
    except MissingDependencyError:
        return "unread", None
    if read is None:
        return "Invalid", None
    store, state = read
    claim = store.get("manifests", {}).get(store.get("active_manifest"), {})
    generators = claim.get("claim_generator_info") or [{}]
    return state, generators[0].get("name") or claim.get("claim_generator")
