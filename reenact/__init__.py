"""Face reenactment: one photo of a face takes on the pose and expression of another photo or a clip.

`reenact_image` and `reenact_video` work on files or arrays; `edit_image` and `open_edit` need no driver; `load` returns
a system with its verbs. Names are imported on first use, so that ``import reenact`` is fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reenact.errors import (
        CheckpointError,
        ConfigError,
        MissingDependencyError,
        NoFaceFoundError,
        OutputError,
        ReenactError,
        ShapeError,
        StoppedError,
        UnsupportedInputError,
    )
    from reenact.hub import load, load_tracker
    from reenact.pipeline import (
        EditSession,
        Engine,
        FaceEdit,
        FaceReading,
        ImageResult,
        VideoResult,
        edit_image,
        load_engine,
        open_edit,
        reenact_image,
        reenact_video,
    )
    from reenact.types import ACTION_UNITS, CropSpec, FaceGeometry, FaceImage, Frame

__all__ = [
    "ACTION_UNITS",
    "CheckpointError",
    "ConfigError",
    "CropSpec",
    "EditSession",
    "Engine",
    "FaceEdit",
    "FaceGeometry",
    "FaceImage",
    "FaceReading",
    "Frame",
    "ImageResult",
    "MissingDependencyError",
    "NoFaceFoundError",
    "OutputError",
    "ReenactError",
    "ShapeError",
    "StoppedError",
    "UnsupportedInputError",
    "VideoResult",
    "edit_image",
    "load",
    "load_engine",
    "load_tracker",
    "open_edit",
    "reenact_image",
    "reenact_video",
]

__version__ = "0.1.0"

_MODULES = {
    "reenact.hub": ("load", "load_tracker"),
    "reenact.pipeline": (
        *("EditSession", "Engine", "FaceEdit", "FaceReading", "ImageResult", "VideoResult", "edit_image"),
        *("load_engine", "open_edit", "reenact_image", "reenact_video"),
    ),
    "reenact.types": ("ACTION_UNITS", "CropSpec", "FaceGeometry", "FaceImage", "Frame"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME.get(name, "reenact.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
