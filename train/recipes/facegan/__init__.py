"""Recipes of FACEGAN."""
