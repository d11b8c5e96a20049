"""Recipe: the painter of the sides of heads, learned from some 1,300 photos and frames, mostly of turned heads."""

from train.data.faces import FaceData
from train.recipes.painters.task import PainterTask, build_painter
from train.run.loop import LoopConfig
from train.run.options import RecipeOptions


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[PainterTask, LoopConfig]:
    """0.5 M parameters."""
    return build_painter("side", train, val, options)
