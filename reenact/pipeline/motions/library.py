"""The project's own motion templates, a drawn actor's, by name; no numbers are read here."""

import pathlib

from reenact.errors import UnsupportedInputError

LIBRARY = pathlib.Path(__file__).with_name("library")
SUFFIX = ".safetensors"
"""Of every template."""


def library_names() -> list[str]:
    """Names of the templates."""
    return sorted(path.stem for path in LIBRARY.glob(f"*{SUFFIX}"))


def motion_text(path: pathlib.Path) -> str:
    """How messages name a driver: "motion nod" for a template of the library, else the path."""
    return f"motion {path.stem}" if path.parent == LIBRARY else str(path)


def find_motion(name: str | pathlib.Path) -> pathlib.Path:
    """The file of a driver: that of a template of the library, by its name, or the given one.

    Raises:
        UnsupportedInputError: a pickle, or a bare name that is neither a file nor a template.
    """
    path, text = pathlib.Path(name), str(name)
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise UnsupportedInputError(
            f"{path} is a pickle, which can run code when opened; make a motion template from its clip instead."
        )
    if path.suffix or len(path.parts) != 1 or path.exists():
        return path
    names = library_names()
    if text not in names:
        raise UnsupportedInputError(
            f"There is no file {text}, and no motion template of this name; the templates are {', '.join(names)}."
        )
    return LIBRARY / f"{text}{SUFFIX}"
