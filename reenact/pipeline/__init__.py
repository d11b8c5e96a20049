"""Frames in, frames out: a photo driven by a photo, a clip or by hand, and what the tracker sees."""

from reenact.pipeline.edit import PRESETS, EditSession, FaceEdit, FaceReading, edit_image, open_edit
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import ImageResult, reenact_image
from reenact.pipeline.source import Source, SourceCache
from reenact.pipeline.track import write_tracks
from reenact.pipeline.turn import HeadReading, HeadTurn, TurnSession, open_turn, turn_image, wants_large_pose
from reenact.pipeline.video import VideoResult, reenact_video

__all__ = [
    "PRESETS",
    "EditSession",
    "Engine",
    "FaceEdit",
    "FaceReading",
    "HeadReading",
    "HeadTurn",
    "ImageResult",
    "Source",
    "SourceCache",
    "TurnSession",
    "VideoResult",
    "edit_image",
    "load_engine",
    "open_edit",
    "open_turn",
    "reenact_image",
    "reenact_video",
    "turn_image",
    "wants_large_pose",
    "write_tracks",
]
