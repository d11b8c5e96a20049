"""Face reenactment: one photo of a face takes on the pose and expression of another photo or a clip.

``reenact_image`` and ``reenact_video`` do the job from files or arrays, ``edit_image`` and ``turn_image`` without a
driver; `load` gives a system's four verbs.
Names are imported when they are first used, so that ``import reenact`` costs nothing.
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
        HeadReading,
        HeadTurn,
        ImageResult,
        TurnSession,
        VideoResult,
        edit_image,
        load_engine,
        open_edit,
        open_turn,
        reenact_image,
        reenact_video,
        turn_image,
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
    "HeadReading",
    "HeadTurn",
    "ImageResult",
    "MissingDependencyError",
    "NoFaceFoundError",
    "OutputError",
    "ReenactError",
    "ShapeError",
    "StoppedError",
    "TurnSession",
    "UnsupportedInputError",
    "VideoResult",
    "edit_image",
    "load",
    "load_engine",
    "load_tracker",
    "open_edit",
    "open_turn",
    "reenact_image",
    "reenact_video",
    "turn_image",
]

__version__ = "0.1.0"

_MODULES = {
    "reenact.hub": ("load", "load_tracker"),
    "reenact.pipeline": (
        *("EditSession", "Engine", "FaceEdit", "FaceReading", "HeadReading", "HeadTurn", "ImageResult"),
        *("TurnSession", "VideoResult", "edit_image", "load_engine", "open_edit", "open_turn", "reenact_image"),
        *("reenact_video", "turn_image"),
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
