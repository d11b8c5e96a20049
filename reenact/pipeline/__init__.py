"""From frames to frames: a photo driven by a photo or a clip, or edited, and tracks as JSON."""
