"""Face profiling: photos rotated in depth, and sets rendered with it."""
