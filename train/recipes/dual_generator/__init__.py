"""Recipes of the dual generator."""
