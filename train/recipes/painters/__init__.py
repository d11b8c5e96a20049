"""Recipes of the painters of mouths and eyes."""
