"""Pictures and clips of the page that can be clicked: `examples/portraits` and what `examples/make_motions.py` drew."""

import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples"

_PORTRAITS = (".jpg", ".png")
_ORDER = ("smile", "talk", "nod", "shake", "surprise", "wink")


def portraits() -> list[str]:
    """Source pictures."""
    return [str(path) for path in sorted((FOLDER / "portraits").glob("*")) if path.suffix in _PORTRAITS]


def driving_pictures() -> list[str]:
    """Driving pictures, the plainest motion first."""
    return _listed("*.jpg")


def driving_clips() -> list[str]:
    """Driving clips, likewise."""
    return _listed("*.mp4")


def pairs(driving: list[str]) -> list[list[str]]:
    """Rows of source and driving, portraits in turn.

    Args:
        driving: of `driving_pictures` or `driving_clips`.
    """
    sources = portraits()
    return [[sources[i % len(sources)], each] for i, each in enumerate(driving)] if sources else []


def motion_names(rows: list[list[str]]) -> list[str]:
    """What each row's driver does: "Smile" for "actor-smile.mp4".

    Args:
        rows: of `pairs`.
    """
    return [pathlib.Path(driving).stem.rpartition("-")[2].capitalize() for _, driving in rows]


def _listed(pattern: str) -> list[str]:
    def place(path: pathlib.Path) -> tuple[int, str]:
        motion = path.stem.rpartition("-")[2]
        return (_ORDER.index(motion) if motion in _ORDER else len(_ORDER)), path.name

    return [str(path) for path in sorted((FOLDER / "driving").glob(pattern), key=place)]
