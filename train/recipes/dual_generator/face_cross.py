"""Recipe: the face generator trained on, half of the pairs with another person as reference (section 4.1)."""

from typing import Any

from reenact.errors import ConfigError
from train.data.faces import FaceData
from train.recipes.dual_generator import face
from train.recipes.dual_generator.face import FaceTask
from train.run.loop import LoopConfig

CROSS_SHARE = 0.5
"""Half: such pairs have no target picture, and alone they would let the colours drift."""


def build(train: FaceData, val: FaceData, arguments: Any) -> tuple[FaceTask, LoopConfig]:
    """From ``--init``, the export of dual_generator_face.

    Raises:
        ConfigError: there is no ``--init``.
    """
    if arguments.init is None:
        raise ConfigError(
            "cross-reenactment starts from a generator that can redraw a face; train dual_generator_face first, and "
            "give its export folder as --init"
        )
    return face.build(train, val, arguments, cross_share=CROSS_SHARE)
