"""Data augmentation that keeps labels valid, and composed scenes."""
