"""Pictures and clips of the page that can be clicked: `examples/portraits` and what `examples/make_motions.py` drew."""

import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples"

_PORTRAITS = (".jpg", ".png")
_SOURCES = ("male_30", "male_28", "female_89", "male_52", "astronaut", "female_23", "male_19", "male_31")
"""Portraits in the order of the page."""
_MOTIONS = ("talk", "surprise", "smile", "nod", "shake", "wink")
"""Motions likewise. The first pair looks most like a filmed face."""
LONGEST_S = 2.6
"""Length of the longest driving clip."""


def portraits() -> list[str]:
    """Source pictures, in the order of the page."""
    found = [path for path in (FOLDER / "portraits").glob("*") if path.suffix in _PORTRAITS]
    return [str(path) for path in sorted(found, key=lambda path: (_rank(path.stem, _SOURCES), path.name))]


def driving_pictures() -> list[str]:
    """Driving pictures, in the order of the page."""
    return _listed("*.jpg")


def driving_clips() -> list[str]:
    """Driving clips, likewise."""
    return _listed("*.mp4")


def labels() -> dict[str, str]:
    """What screen readers call the examples, by file name."""
    drivers = [*driving_pictures(), *driving_clips()]
    named = {pathlib.Path(path).name: f"Motion: {_motion(pathlib.Path(path).stem)}" for path in drivers}
    return named | {pathlib.Path(path).name: _person(pathlib.Path(path).stem) for path in portraits()}


def _person(stem: str) -> str:
    sex, _, age = stem.partition("_")
    person = {"male": "man", "female": "woman"}.get(sex)
    return f"Portrait: {person} of {age}" if person else f"Portrait: {stem}"


def _listed(pattern: str) -> list[str]:
    found = (FOLDER / "driving").glob(pattern)
    return [str(path) for path in sorted(found, key=lambda path: (_rank(_motion(path.stem), _MOTIONS), path.name))]


def _motion(stem: str) -> str:
    return stem.rpartition("-")[2]


def _rank(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)
