"""Recipes of the dual generator: its two generators are trained apart."""

from reenact.systems.dual_generator.networks import DualGeneratorNetworks
from train.recipes.parts import Parts

PARTS = Parts(
    "dual_generator", {"shape": "dual_generator_shape", "face": "dual_generator_face"}, networks=DualGeneratorNetworks
)
