"""Recipe: further training of the face generator, half of the pairs with another person as reference (section 4.1)."""

from reenact.errors import ConfigError
from train.data.faces import FaceData
from train.recipes.dual_generator import face
from train.run.loop import LoopConfig
from train.run.options import RecipeOptions

CROSS_SHARE = 0.5
"""Such pairs have no target picture; with them alone the colours would drift."""


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[face.FaceTask, LoopConfig]:
    """From ``--init``, the export of dual_generator_face.

    Raises:
        ConfigError: there is no ``--init``.
    """
    if options.init is None:
        raise ConfigError(
            "cross-reenactment starts from a generator that can redraw a face; train dual_generator_face first, and "
            "give its export folder as --init"
        )
    return face.build(train, val, options, cross_share=CROSS_SHARE)
