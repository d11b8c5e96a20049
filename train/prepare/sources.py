"""Finds clips and pictures in a folder and reads person and labels from the folder's layout."""

import dataclasses
import functools
import os
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from reenact.errors import UnsupportedInputError
from train.prepare import tables
from train.prepare.settings import PrepareSettings, digest_of

CLIPS = frozenset(
    ".mp4 .mov .m4v .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .flv .wmv .asf .ogv .ogg .3gp .mxf .gif".split()
)
PICTURES = frozenset(".jpg .jpeg .png .webp .bmp .tif .tiff .ppm .pgm .jp2 .heic .heif .avif".split())

Labels = dict[str, str | int | float]
"""Labels from file names and tables, for the json of a sample."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """One file to process and its known facts."""

    path: pathlib.Path
    origin: str
    """Path below the searched folder, with forward slashes; sources are sorted by it."""
    person: str | None = None
    """Name of the person, if the layout has it."""
    labels: Labels = dataclasses.field(default_factory=dict)
    box_px: tuple[float, float, float, float] | None = None
    """Box of the labelled face in a picture: x0, y0, x1, y1."""
    size_bytes: int = 0
    mtime_ns: int = 0

    @functools.cached_property
    def unit(self) -> str:
        """Name of its unit, which changes with the file and its known facts."""
        return digest_of([*self.known, self.mtime_ns])[:24]

    @property
    def known(self) -> list[Any]:
        """Known facts without the modification time."""
        return [self.origin, self.person, self.labels, self.box_px, self.size_bytes]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """Sources of a folder."""

    layout: str
    sources: tuple[Source, ...]
    notes: tuple[str, ...]
    """One line each, for the user."""

    @property
    def digest(self) -> str:
        """Digest of the files, their sizes and known facts, without modification times."""
        return digest_of([source.known for source in self.sources])


def find_sources(settings: PrepareSettings) -> Found:
    """Search the folder of the settings.

    Raises:
        UnsupportedInputError: it is missing, holds no clips or pictures, or does not have the layout of the settings.
    """
    root = settings.videos
    if not root.is_dir():
        raise UnsupportedInputError(f"There is no folder {root}; give --videos the folder that holds the clips.")
    files = list(_media_files(root, leave_out=settings.out))
    if not files:
        raise UnsupportedInputError(
            f"{root} holds no clips or pictures; their names must end in {' '.join(sorted(CLIPS | PICTURES))}."
        )
    layout = _guess(root, files, settings) if settings.layout == "auto" else settings.layout
    read = map(_with_size, _read(layout, root, files, settings))
    sources = sorted(read, key=lambda source: (source.origin, str(source.box_px)))
    if not sources:
        raise UnsupportedInputError(
            f"None of the {len(files)} clips and pictures in {root} has a name of the layout {layout}; "
            "choose another --layout."
        )
    notes = [f"layout {layout}" + (" (detected)" if settings.layout == "auto" else "")]
    taken = len({source.path for source in sources})
    if taken < len(files):
        notes.append(f"{len(files) - taken} of {len(files)} files do not belong to the layout and are left out")
    if layout == "videos" and any("/" in source.origin for source in sources):
        notes.append("people are grouped by their faces; if each folder is one person, give --layout people")
    return Found(layout=layout, sources=tuple(sources), notes=tuple(notes))


def _with_size(source: Source) -> Source:
    facts = source.path.stat()
    return dataclasses.replace(source, size_bytes=facts.st_size, mtime_ns=facts.st_mtime_ns)


def _media_files(root: pathlib.Path, *, leave_out: pathlib.Path) -> Iterator[pathlib.Path]:
    """Files with a known suffix, without hidden ones and those of the output folder."""
    forbidden = leave_out.resolve()
    for folder, folders, names in os.walk(root):
        here = pathlib.Path(folder)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (here / name).resolve() != forbidden
        )
        for name in sorted(names):
            if not name.startswith(".") and pathlib.PurePath(name).suffix.lower() in CLIPS | PICTURES:
                yield here / name


def _guess(root: pathlib.Path, files: list[pathlib.Path], settings: PrepareSettings) -> str:
    """The layout that most file names fit, else plain clips."""
    if (root / "original_sequences").is_dir():
        return "faceforensics"
    if settings.csv is not None or tables.find_table(root) is not None:
        return "ijbc"
    for layout, pattern in (("voxceleb", _VOXCELEB), ("rafd", _RAFD), ("multipie", _MULTI_PIE)):
        if sum(bool(pattern.search(_origin(root, file))) for file in files) > len(files) / 2:
            return layout
    return "videos"


_VOXCELEB = re.compile(r"(?:^|/)(id\d{5})/([^/]+)/\d+\.\w+$")
"""idXXXXX/<video>/<n>.mp4"""
_RAFD = re.compile(
    r"(?:^|/)Rafd(?P<angle>\d{3})_(?P<model>\d+)_(?P<ethnicity>[A-Za-z]+)_(?P<gender>[A-Za-z]+)"
    r"_(?P<emotion>[A-Za-z]+)_(?P<gaze>[A-Za-z]+)\.\w+$",
    re.IGNORECASE,
)
_MULTI_PIE = re.compile(
    r"(?:^|/)(?P<subject>\d{3})_(?P<session>\d{2})_(?P<recording>\d{2})_(?P<camera>\d{3})_(?P<illumination>\d{2})"
    r"(?:_\w+)?\.\w+$"
)
MULTI_PIE_CAMERA_DEG: dict[str, int] = dict(
    zip(
        "240 010 200 190 041 050 051 140 130 080 090 120 110 191 081".split(),
        (-90, -75, -60, -45, -30, -15, 0, 15, 30, 45, 60, 75, 90, -45, 45),
        strict=True,
    )
)
"""Angle of each camera from the frontal one; the last two are mounted higher. The sign of the sides is unverified:
compare it with the tracker's yaw before use."""


Named = tuple[str | None, Labels]
"""Person and labels that a path below the root names."""


def _name_people(origin: str) -> Named:
    """The first folder below the root names the person; files directly in the root have none."""
    return (origin.split("/")[0] if "/" in origin else None), {}


def _name_voxceleb(origin: str) -> Named | None:
    match = _VOXCELEB.search(origin)
    return match and (match.group(1), {"video": match.group(2)})


def _name_rafd(origin: str) -> Named | None:
    match = _RAFD.search(origin)
    if match is None:
        return None
    labels: Labels = {name: match[name].lower() for name in ("ethnicity", "gender", "emotion", "gaze")}
    return f"rafd-{match['model']}", labels | {"camera_deg": int(match["angle"]) - 90}


def _name_multi_pie(origin: str) -> Named | None:
    match = _MULTI_PIE.search(origin)
    if match is None:
        return None
    labels: Labels = {name: match[name] for name in ("session", "recording", "camera", "illumination")}
    if match["camera"] in MULTI_PIE_CAMERA_DEG:
        labels["camera_deg"] = MULTI_PIE_CAMERA_DEG[match["camera"]]
    return f"multipie-{match['subject']}", labels


def _name_faceforensics(origin: str, *, manipulated: bool) -> Named | None:
    """original_sequences/{youtube,actors}/<compression>/videos/*.mp4; names of actors' files start with a number."""
    parts = origin.split("/")
    real = parts[0] == "original_sequences"
    if not (real or (manipulated and parts[0] == "manipulated_sequences")) or "videos" not in parts:
        return None
    actor = re.match(r"(\d{2})__", parts[-1]) if parts[1] in ("actors", "DeepFakeDetection") else None
    # a manipulated face has no known person: it is grouped by its embedding
    person = f"actor-{actor[1]}" if actor and real else None
    return person, {"kind": "original" if real else "manipulated", "collection": parts[1]}


def _read_table(root: pathlib.Path, settings: PrepareSettings) -> Iterator[Source]:
    path = settings.csv or tables.find_table(root)
    if path is None:
        raise UnsupportedInputError(
            f"{root} does not hold exactly one table for layout ijbc (a file column and a person column); "
            "give it with --csv."
        )
    for row in tables.read_table(path, root):
        yield Source(
            path=row.path, origin=_origin(root, row.path), person=row.person, labels=row.labels, box_px=row.box_px
        )


def _read(layout: str, root: pathlib.Path, files: list[pathlib.Path], settings: PrepareSettings) -> Iterator[Source]:
    """Sources of a layout; files whose names do not fit are skipped."""
    if layout == "ijbc":
        yield from _read_table(root, settings)
        return
    name_of: dict[str, Callable[[str], Named | None]] = {
        "videos": lambda origin: (None, {}),
        "people": _name_people,
        "voxceleb": _name_voxceleb,
        "rafd": _name_rafd,
        "multipie": _name_multi_pie,
        "faceforensics": functools.partial(_name_faceforensics, manipulated=settings.manipulated),
    }
    for file in files:
        origin = _origin(root, file)
        named = name_of[layout](origin)
        if named is not None:
            yield Source(path=file, origin=origin, person=named[0], labels=named[1])


def _origin(root: pathlib.Path, file: pathlib.Path) -> str:
    try:
        return file.relative_to(root).as_posix()
    except ValueError:  # a table may name files outside the root
        return file.as_posix().lstrip("/")
