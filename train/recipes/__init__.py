"""Recipes: what can be trained. Each module has `build`, from data to a task."""

import difflib
import importlib
from types import ModuleType

from reenact.errors import ConfigError

RECIPES = {
    "detector": "train.recipes.perception.detector",
    "tracker": "train.recipes.perception.tracker",
    "identity": "train.recipes.perception.identity",
    "parser": "train.recipes.perception.parser",
    "hidden": "train.recipes.perception.hidden",
    "morphable": "train.recipes.perception.morphable",
    "mouth_painter": "train.recipes.painters.mouth",
    "eye_painter": "train.recipes.painters.eye",
    "side_painter": "train.recipes.painters.side",
    "correspondence": "train.recipes.correspondence.flow",
    "facegan_landmarks": "train.recipes.facegan.landmarks",
    "facegan_reenactor": "train.recipes.facegan.reenactor",
    "facegan_background": "train.recipes.facegan.background",
    "facegan": "train.recipes.facegan.end_to_end",
    "dual_generator_shape": "train.recipes.dual_generator.shape",
    "dual_generator_turned": "train.recipes.dual_generator.turned",
    "dual_generator_face": "train.recipes.dual_generator.face",
    "dual_generator_face_cross": "train.recipes.dual_generator.face_cross",
    "latent_directions_people": "train.recipes.latent_directions.people",
    "latent_directions_generator": "train.recipes.latent_directions.generator",
    "latent_directions_inversion": "train.recipes.latent_directions.inversion",
    "latent_directions_directions": "train.recipes.latent_directions.directions",
    "latent_directions_joint": "train.recipes.latent_directions.joint",
    "latent_directions_refine": "train.recipes.latent_directions.refine",
}
"""Module of each recipe by its name on the command line, in the order in which the networks need each other."""


def find_recipe(name: str) -> ModuleType:
    """The module of a recipe.

    Raises:
        ConfigError: unknown name.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"the recipes are {', '.join(sorted(RECIPES))}"
        raise ConfigError(f"there is no recipe {name!r}; {advice}")
    return importlib.import_module(RECIPES[name])
