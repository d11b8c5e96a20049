"""Recipes of detector, tracker, identity encoder, parser and morphable model."""
