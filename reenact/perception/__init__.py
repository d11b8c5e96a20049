"""Pixels -> FaceGeometry: detector, tracker, parser, identity encoder, and adapters of other trackers."""
