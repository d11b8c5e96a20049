"""The reenactment systems, each in its own folder behind the four verbs of `reenact.systems.base`."""

from typing import Any

from reenact.systems.base import Reenactor
from reenact.systems.correspondence.reenactor import CorrespondenceReenactor
from reenact.systems.dual_generator.reenactor import DualGeneratorReenactor
from reenact.systems.facegan.reenactor import FaceganReenactor

SYSTEMS: dict[str, type[Reenactor[Any, Any, Any]]] = {
    "correspondence": CorrespondenceReenactor,
    "dual_generator": DualGeneratorReenactor,
    "facegan": FaceganReenactor,
}
"""Every system by its id; the id stands in the ``config.json`` of its checkpoints."""
