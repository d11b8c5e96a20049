"""Recipes of the latent directions system."""
