"""Recipes of FACEGAN: its three modules are trained apart, then together."""

from reenact.systems.facegan.networks import FaceganNetworks
from train.recipes.parts import Parts
from train.run.loop import LoopConfig

PARTS = Parts(
    "facegan",
    {"transformer": "facegan_landmarks", "reenactor": "facegan_reenactor", "mixer": "facegan_background"},
    networks=FaceganNetworks,
)

PAPER_LOOP = LoopConfig(
    steps=400_000,
    batch_size=1,
    learning_rate=2e-4,
    critic_learning_rate=2e-4,
    betas=(0.5, 0.999),
    validate_every=10_000,
    save_every=2_000,
)
"""Of the recipes that draw pictures, with ``--preset paper``."""
