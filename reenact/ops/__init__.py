"""Pure tensor functions without weights."""
