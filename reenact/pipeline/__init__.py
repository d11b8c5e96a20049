"""From frames to frames: a photo driven by a photo or a clip, or edited, and tracks as JSON."""

from reenact.pipeline.controls import PRESETS, EditSession, FaceEdit, FaceReading, edit_image, open_edit
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import reenact_image
from reenact.pipeline.results import ImageResult, VideoResult
from reenact.pipeline.source import Source, SourceCache
from reenact.pipeline.track import write_tracks
from reenact.pipeline.video import reenact_video

__all__ = [
    "PRESETS",
    "EditSession",
    "Engine",
    "FaceEdit",
    "FaceReading",
    "ImageResult",
    "Source",
    "SourceCache",
    "VideoResult",
    "edit_image",
    "load_engine",
    "open_edit",
    "reenact_image",
    "reenact_video",
    "write_tracks",
]
