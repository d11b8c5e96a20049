"""Tables of pictures such as IJB-C's: a row names a file and a person, and may have a face box and other labels."""

import csv
import dataclasses
import math
import pathlib
from collections.abc import Iterator

from reenact.errors import UnsupportedInputError

_FILE = ("file", "filename", "path", "image", "image_path", "img")
_PERSON = ("subject_id", "subject", "person", "person_id", "identity", "id")
_BOX = ("face_x", "face_y", "face_width", "face_height")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One face of one picture."""

    path: pathlib.Path
    person: str
    labels: dict[str, str | int | float]
    """Other columns, their names in lower case; numbers are converted."""
    box_px: tuple[float, float, float, float] | None
    """x0, y0, x1, y1; None if the table has no box."""


def find_table(root: pathlib.Path) -> pathlib.Path | None:
    """The only .csv of a folder with a file column and a person column; None unless there is exactly one."""
    found = [path for path in sorted(root.glob("*.csv")) if _columns(_header(path)) is not None]
    return found[0] if len(found) == 1 else None


def read_table(path: pathlib.Path, root: pathlib.Path) -> Iterator[Row]:
    """Rows whose file exists.

    Raises:
        UnsupportedInputError: the table cannot be read, lacks a column, or none of its files exists.
    """
    columns = _columns(_header(path))
    if columns is None:
        raise UnsupportedInputError(
            f"{path} needs a column for the file ({', '.join(_FILE)}) and one for the person ({', '.join(_PERSON)})."
        )
    file_column, person_column = columns
    missing, first_missing, there = 0, "", 0
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for line in csv.DictReader(file):
            row = {name.strip().lower(): (value or "").strip() for name, value in line.items() if isinstance(name, str)}
            place = _place(row[file_column], root, path.parent)
            if place is None:
                missing, first_missing = missing + 1, first_missing or row[file_column]
                continue
            there += 1
            box = _read_box(row)
            labels = {
                name: _number(value)
                for name, value in row.items()
                if value and name not in (file_column, person_column) and not (box and name in _BOX)
            }
            yield Row(path=place, person=row[person_column], labels=labels, box_px=box)
    if not there:
        raise UnsupportedInputError(
            f"None of the {missing} files named in {path} is in {root} (the first: {first_missing!r}); "
            "give --videos the folder that its paths are relative to."
        )


def _header(path: pathlib.Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            return [name.strip().lower() for name in next(csv.reader(file), [])]
    except (OSError, csv.Error) as error:
        raise UnsupportedInputError(f"{path} cannot be read as a table ({error}); give another --csv.") from error


def _columns(header: list[str]) -> tuple[str, str] | None:
    file = next((name for name in _FILE if name in header), None)
    person = next((name for name in _PERSON if name in header), None)
    return (file, person) if file and person else None


def _place(name: str, *folders: pathlib.Path) -> pathlib.Path | None:
    """The file of that name below one of the folders; paths with ".." are refused."""
    if not name or ".." in pathlib.PurePosixPath(name).parts:
        return None
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    return None


def _read_box(row: dict[str, str]) -> tuple[float, float, float, float] | None:
    numbers = [_number(row.get(name, "")) for name in _BOX]
    if not all(isinstance(number, int | float) for number in numbers):
        return None
    x, y, width, height = (float(number) for number in numbers)
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _number(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if math.isfinite(number):  # JSON has no infinity or NaN
            return number
    return text
