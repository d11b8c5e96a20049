"""Loaded systems, shared by all visitors: loaded once, in the background or when first needed."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from reenact.errors import ReenactError
from reenact.systems.catalog import CATALOG, system_for
from reenact.weights import EMBEDDED, WEIGHTS_NAME

if TYPE_CHECKING:
    from reenact.pipeline import Engine

DEFAULT, EDITING, LARGE_POSE = system_for("default"), system_for("edit"), system_for("large_pose")
"""The systems that draw unless another is chosen, that edit by Action Units, and that draw large poses."""

SYSTEM_NAMES = {entry.id: f"{entry.title}: {entry.use}" for entry in CATALOG.values()}
"""What the picker shows for each system."""

_LOG = logging.getLogger(__name__)


def has_weights(system: str) -> bool:
    """Whether weights of a system come with the project; without them the page does not offer it."""
    return (EMBEDDED / system / WEIGHTS_NAME).is_file()


class Models:
    """One engine for each system."""

    def __init__(self, load: "Callable[[str], Engine] | None" = None) -> None:
        """Nothing is loaded yet.

        Args:
            load: from a system's id to an engine; `reenact.pipeline.load_engine` if None.
        """
        self._load = load or _load_engine
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()

    def warm_up(self, system: str = DEFAULT) -> threading.Thread:
        """Start loading in the background; a failure is logged, and told to whoever asks for the engine next."""
        thread = threading.Thread(target=self._try_loading, args=(system,), name="load models", daemon=True)
        thread.start()
        return thread

    def engine(self, system: str) -> "Engine":
        """The engine of a system; waits while it is being loaded.

        Raises:
            ReenactError: its weights are missing or cannot be used.
        """
        with self._lock:
            if system not in self._engines:
                self._engines[system] = self._load(system)
            return self._engines[system]

    def _try_loading(self, system: str) -> None:
        try:
            self.engine(system)
        except ReenactError as error:
            _LOG.warning("The system %s is not ready: %s", system, error)


def _load_engine(system: str) -> "Engine":
    from reenact.pipeline import load_engine

    return load_engine(system)
