"""Losses and training-only networks: one file per system, and three files that several systems share."""
