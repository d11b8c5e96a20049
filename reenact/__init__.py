"""Face reenactment: one photo of a face takes on the pose and expression of another photo or a clip.

`reenact_image` and `reenact_video` work on files or arrays; `edit_image` and `open_edit` need no driver; `load` returns
a system with its verbs. Names are imported on first use, so that ``import reenact`` is fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reenact.errors import CheckpointError as CheckpointError
    from reenact.errors import ConfigError as ConfigError
    from reenact.errors import MissingDependencyError as MissingDependencyError
    from reenact.errors import NoFaceFoundError as NoFaceFoundError
    from reenact.errors import OutputError as OutputError
    from reenact.errors import ReenactError as ReenactError
    from reenact.errors import ShapeError as ShapeError
    from reenact.errors import StoppedError as StoppedError
    from reenact.errors import UnsupportedInputError as UnsupportedInputError
    from reenact.facs import ACTION_UNITS as ACTION_UNITS
    from reenact.hub import load as load
    from reenact.hub import load_tracker as load_tracker
    from reenact.media.frame import Frame as Frame
    from reenact.media.trim import Trim as Trim
    from reenact.perception.crop_box import CropBox as CropBox
    from reenact.pipeline.compare.run import Comparison as Comparison
    from reenact.pipeline.compare.run import compare as compare
    from reenact.pipeline.controls.clip_edit import edit_clip as edit_clip
    from reenact.pipeline.controls.keyframes import KeyFrame as KeyFrame
    from reenact.pipeline.controls.keyframes import KeyFrames as KeyFrames
    from reenact.pipeline.controls.reading import FaceReading as FaceReading
    from reenact.pipeline.controls.session import EditSession as EditSession
    from reenact.pipeline.controls.session import edit_image as edit_image
    from reenact.pipeline.controls.session import open_edit as open_edit
    from reenact.pipeline.controls.settings import FaceEdit as FaceEdit
    from reenact.pipeline.engine import Engine as Engine
    from reenact.pipeline.engine import load_engine as load_engine
    from reenact.pipeline.faces import reenact_faces as reenact_faces
    from reenact.pipeline.faces import reenact_faces_video as reenact_faces_video
    from reenact.pipeline.image import reenact_image as reenact_image
    from reenact.pipeline.motions.record import record_motion as record_motion
    from reenact.pipeline.motions.template import MotionTemplate as MotionTemplate
    from reenact.pipeline.motions.template import read_template as read_template
    from reenact.pipeline.motions.template import write_template as write_template
    from reenact.pipeline.options import DrivingOptions as DrivingOptions
    from reenact.pipeline.results import ImageResult as ImageResult
    from reenact.pipeline.results import VideoResult as VideoResult
    from reenact.pipeline.sample import sample_people as sample_people
    from reenact.pipeline.verify import Findings as Findings
    from reenact.pipeline.verify import verify as verify
    from reenact.pipeline.video import reenact_video as reenact_video
    from reenact.provenance.manifest import Signer as Signer
    from reenact.provenance.origin import Origin as Origin
    from reenact.restore.gfpgan import load_restorer as load_restorer
    from reenact.types import CropSpec as CropSpec
    from reenact.types import FaceGeometry as FaceGeometry
    from reenact.types import FaceImage as FaceImage

__version__ = "0.1.0"

_NAMES = {
    "reenact.errors": (
        *("CheckpointError", "ConfigError", "MissingDependencyError", "NoFaceFoundError", "OutputError"),
        *("ReenactError", "ShapeError", "StoppedError", "UnsupportedInputError"),
    ),
    "reenact.facs": ("ACTION_UNITS",),
    "reenact.hub": ("load", "load_tracker"),
    "reenact.media.frame": ("Frame",),
    "reenact.pipeline.compare.run": ("Comparison", "compare"),
    "reenact.pipeline.controls.clip_edit": ("edit_clip",),
    "reenact.pipeline.controls.keyframes": ("KeyFrame", "KeyFrames"),
    "reenact.media.trim": ("Trim",),
    "reenact.perception.crop_box": ("CropBox",),
    "reenact.pipeline.controls.reading": ("FaceReading",),
    "reenact.pipeline.controls.session": ("EditSession", "edit_image", "open_edit"),
    "reenact.pipeline.controls.settings": ("FaceEdit",),
    "reenact.pipeline.engine": ("Engine", "load_engine"),
    "reenact.pipeline.faces": ("reenact_faces", "reenact_faces_video"),
    "reenact.pipeline.image": ("reenact_image",),
    "reenact.pipeline.motions.record": ("record_motion",),
    "reenact.pipeline.motions.template": ("MotionTemplate", "read_template", "write_template"),
    "reenact.pipeline.options": ("DrivingOptions",),
    "reenact.pipeline.results": ("ImageResult", "VideoResult"),
    "reenact.pipeline.sample": ("sample_people",),
    "reenact.pipeline.verify": ("Findings", "verify"),
    "reenact.pipeline.video": ("reenact_video",),
    "reenact.provenance.manifest": ("Signer",),
    "reenact.provenance.origin": ("Origin",),
    "reenact.restore.gfpgan": ("load_restorer",),
    "reenact.types": ("CropSpec", "FaceGeometry", "FaceImage"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
