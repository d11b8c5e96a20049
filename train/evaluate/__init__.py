"""Measures systems: `python -m train.evaluate` (docs/evaluation.md)."""
