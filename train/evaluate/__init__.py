"""One command that measures systems: `python -m train.evaluate` (docs/evaluation.md)."""
