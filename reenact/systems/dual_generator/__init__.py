"""Dual-Generator Face Reenactment (CVPR 2022): one generator for the target's shape, one for its picture."""
