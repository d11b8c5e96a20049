"""Frames in, frames out: a photo driven by a photo or a clip, and what the tracker sees."""

from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import ImageResult, reenact_image
from reenact.pipeline.source import Source, SourceCache
from reenact.pipeline.track import write_tracks
from reenact.pipeline.video import VideoResult, reenact_video

__all__ = [
    "Engine",
    "ImageResult",
    "Source",
    "SourceCache",
    "VideoResult",
    "load_engine",
    "reenact_image",
    "reenact_video",
    "write_tracks",
]
