"""The catalog: one row per reenactment system.

The command line, the page and the Hub list systems from here before they load anything, so this module imports neither
torch nor the systems.
"""

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any, Literal

from reenact.errors import ConfigError
from reenact.weights import EMBEDDED, WEIGHTS_NAME

if TYPE_CHECKING:
    from reenact.systems.base import Reenactor

Role = Literal["default", "edit", "large_pose"]
"""default: draws unless another system is chosen. edit: draws edits near the source's pose. large_pose: draws heads
turned far from the camera."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """One system."""

    id: str
    """Name on the command line, "model" in ``config.json``, and folder in ``checkpoints/`` and ``reenact/systems/``."""
    reenactor: str
    """Name of its class in ``reenact/systems/<id>/reenactor.py``."""
    title: str
    """Name for users."""
    use: str
    """What it is best at, in one line."""
    roles: tuple[Role, ...] = ()
    """What the program uses it for by itself."""
    tags: tuple[str, ...] = ()
    """For the Hub's search, on its model card."""
    can_pose: bool = False
    """Whether it sets Action Units and head angles without a driver, so that it can draw edits."""

    can_tune: bool = False
    """Whether it can be optimised for one source."""
    moves_units: bool = False
    """Whether its motion consists of Action Units, to which more can be added."""

    def load_class(self) -> "type[Reenactor[Any, Any, Any]]":
        """Import its class."""
        module = importlib.import_module(f"reenact.systems.{self.id}.reenactor")
        return getattr(module, self.reenactor)


_ENTRIES = (
    CatalogEntry(
        id="correspondence",
        reenactor="CorrespondenceReenactor",
        title="Correspondence",
        use="best fidelity, pose and expression",
        roles=("default",),
        tags=("face-reenactment", "talking-head"),
    ),
    CatalogEntry(
        id="facegan",
        reenactor="FaceganReenactor",
        title="FACEGAN",
        use="expressions by Action Units, background apart",
        roles=("edit",),
        tags=("face-reenactment", "face-editing", "action-units"),
        can_pose=True,
        moves_units=True,
    ),
    CatalogEntry(
        id="dual_generator",
        reenactor="DualGeneratorReenactor",
        title="Dual Generator",
        use="heads rotated up to 90 degrees",
        roles=("large_pose",),
        tags=("face-reenactment", "large-pose"),
        can_pose=True,
    ),
    CatalogEntry(
        id="latent_directions",
        reenactor="LatentDirectionsReenactor",
        title="Latent Directions (experimental)",
        use="a small generator draws the face; softer than the others",
        can_tune=True,
        tags=("face-reenactment", "stylegan2"),
    ),
)

CATALOG = {entry.id: entry for entry in _ENTRIES}
"""Every system by its id, in the order in which they are offered."""


def find_system(system: str) -> CatalogEntry:
    """The row of a system.

    Raises:
        ConfigError: no such system.
    """
    if system not in CATALOG:
        raise ConfigError(f"There is no system {system!r}; choose {', '.join(CATALOG)}.")
    return CATALOG[system]


def system_for(role: Role) -> str:
    """Id of the system with a role."""
    return next(entry.id for entry in CATALOG.values() if role in entry.roles)


DEFAULT_SYSTEM = system_for("default")
"""Id of the system that draws unless another is chosen."""
POSING_SYSTEMS = tuple(entry.id for entry in _ENTRIES if entry.can_pose)
"""Ids of the systems that can draw edits."""


def installed_systems() -> tuple[str, ...]:
    """Ids of the systems whose weights came with the program."""
    return tuple(name for name in CATALOG if (EMBEDDED / name / WEIGHTS_NAME).is_file())


def cannot_pose(system: str) -> ConfigError:
    """The error for a system that cannot draw edits."""
    return ConfigError(
        f"The system {system!r} cannot set Action Units, head angles or gaze; edit with {' or '.join(POSING_SYSTEMS)}."
    )


def without_units(system: str) -> ConfigError:
    """The error for a system whose motion has no Action Units."""
    able = " or ".join(entry.id for entry in _ENTRIES if entry.moves_units)
    return ConfigError(f"The motion of the system {system!r} has no Action Units to change; choose the system {able}.")


def cannot_tune(system: str) -> ConfigError:
    """The error for a system that has nothing to optimise for a source."""
    able = " or ".join(entry.id for entry in _ENTRIES if entry.can_tune)
    return ConfigError(f"The system {system!r} cannot be tuned to a source; tune {able}, or leave the tuning out.")
