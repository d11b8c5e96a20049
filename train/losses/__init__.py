"""Losses and training-only networks, one file per system; what several systems share stands in `adversarial`."""
