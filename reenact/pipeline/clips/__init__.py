"""A clip as the source: its frames, and the driver's beside them."""
