"""The editor: Action Units, head angles and background of a face in a photo."""

from reenact.pipeline.controls.presets import PRESETS
from reenact.pipeline.controls.session import EditSession, edit_image, open_edit
from reenact.pipeline.controls.settings import FaceEdit, FaceReading

__all__ = ["PRESETS", "EditSession", "FaceEdit", "FaceReading", "edit_image", "open_edit"]
