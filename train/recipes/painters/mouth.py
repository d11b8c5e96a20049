"""Recipe: the painter of mouths, learned from 9,600 stills and frames with parted lips."""

from train.data.faces import FaceData
from train.recipes.painters.task import PainterTask, build_painter
from train.run.loop import LoopConfig
from train.run.options import RecipeOptions


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[PainterTask, LoopConfig]:
    """0.5 M parameters."""
    return build_painter("mouth", train, val, options)
