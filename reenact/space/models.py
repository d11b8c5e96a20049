"""Loaded systems, shared by all visitors: loaded once, in the background or when first needed."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from reenact.errors import ReenactError
from reenact.weights import EMBEDDED, WEIGHTS_NAME

if TYPE_CHECKING:
    from reenact.pipeline import Engine

DEFAULT = "correspondence"
"""The system that draws unless another is chosen."""
EDITING = "facegan"
"""The system that edits by Action Units."""
LARGE_POSE = "dual_generator"
"""The system of large poses."""

SYSTEM_NAMES = {
    "correspondence": "Correspondence: best fidelity and identity",
    "facegan": "FACEGAN: expressions by Action Units, background apart",
    "dual_generator": "Dual Generator: heads turned up to 90 degrees",
}
"""What the picker shows for each of `reenact.systems.SYSTEMS`; written down here because importing them takes seconds
that the page need not wait for."""

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
