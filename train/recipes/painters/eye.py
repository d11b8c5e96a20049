"""Recipe: the painter of eyes, learned from open, closing and closed eyes alike."""

from train.data.faces import FaceData
from train.recipes.painters.task import PainterTask, build_painter
from train.run.loop import LoopConfig
from train.run.options import RecipeOptions


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[PainterTask, LoopConfig]:
    """0.5 M parameters."""
    return build_painter("eye", train, val, options)
