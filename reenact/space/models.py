"""The engines of the page, shared by all visitors: loaded once, in the background or when first needed."""

import dataclasses
import functools
import importlib.util
import logging
import pathlib
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from reenact.errors import ConfigError, MissingDependencyError, ReenactError
from reenact.provenance.origin import SYNTHETIC, Origin
from reenact.systems.catalog import CATALOG, find_system, installed_systems, system_for
from reenact.weights import WeightsInfo

if TYPE_CHECKING:
    from reenact.perception.tracking import Tracker
    from reenact.pipeline.engine import Engine
    from reenact.restore.gfpgan import Restorer

    Load = Callable[..., Engine]
    """From a system's id, and `checkpoint` for other weights than the embedded ones, to an engine."""

DEFAULT, EDITING, LARGE_POSE = system_for("default"), system_for("edit"), system_for("large_pose")
"""Ids of the systems that draw unless another is chosen, that draw edits, and that draw heads turned far."""

_LOG = logging.getLogger(__name__)


def read_weights(settings: Iterable[str]) -> dict[str, str]:
    """Weights by system, from "correspondence=owner/name@revision" or "facegan=/some/folder".

    Args:
        settings: one each; a later one replaces an earlier one of the same system.

    Raises:
        ConfigError: malformed, or an unknown system.
    """
    weights: dict[str, str] = {}
    for setting in settings:
        system, _, where = setting.partition("=")
        if not where:
            raise ConfigError(f"Weights are set to {setting!r}; write SYSTEM=OWNER/NAME@REVISION or SYSTEM=FOLDER.")
        weights[find_system(system).id] = where
    return weights


def find_restoration(setting: str) -> pathlib.Path:
    """The file of GFPGAN's weights: the given one, or for "fetch" that of the project's cache, fetched once.

    Raises:
        MissingDependencyError: spandrel is not installed.
        ReenactError: there is no such file, or it cannot be fetched.
    """
    from reenact.media.probe import existing_file
    from reenact.restore.weights import fetch_weights

    if importlib.util.find_spec("spandrel") is None:
        raise MissingDependencyError('Restoration needs the library spandrel; run `pip install "reenact[restore]"`.')
    return fetch_weights() if setting == "fetch" else existing_file(pathlib.Path(setting))


@dataclasses.dataclass(kw_only=True)
class _Slot:
    """One system; the lock is held while it is loaded."""

    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    engine: "Engine | None" = None
    problem: str = ""
    """Why the embedded weights draw in place of the host's; "" if they do not."""

    @property
    def weights(self) -> WeightsInfo | None:
        return None if self.engine is None else self.engine.system.weights


class Models:
    """One engine for each system. Systems load independently: a ready one never waits for another."""

    def __init__(
        self,
        load: "Load | None" = None,
        *,
        weights: Mapping[str, str] | None = None,
        require: bool = False,
        restore: pathlib.Path | None = None,
        offered: Collection[str] | None = None,
        origin: Origin = SYNTHETIC,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            load: makes an engine; `reenact.pipeline.engine.load_engine` if None.
            weights: the host's, see `read_weights`; the embedded ones for systems that are not named.
            require: whether the host's weights are an error if they cannot be loaded. Otherwise the embedded ones are
                used, and `notes` says so.
            restore: weights of the network that restores faces; None if the page does not offer it.
            offered: systems that the page offers; all with weights if None.
            origin: what result files say of where they come from.
        """
        self._load = load or _load_engine
        self.origin = origin
        self._weights, self._require = dict(weights or {}), require
        self._slots = {system: _Slot() for system in CATALOG}
        self._offered = CATALOG if offered is None else offered
        self._restore, self._restorer = restore, functools.cache(self._load_restorer)
        self._restoring = threading.Lock()
        self._fan, self._tracking = functools.cache(_load_fan), threading.Lock()

    def offers(self, system: str) -> bool:
        """Whether the host offers a system, and there are weights of it; otherwise the page does not show it."""
        return system in self._offered and (system in self._weights or system in installed_systems())

    def is_ready(self, system: str) -> bool:
        """Whether a system is loaded."""
        return self._slots[system].engine is not None

    @property
    def has_fan(self) -> bool:
        """Whether the page offers the tracker of the papers, from the library face-alignment."""
        return importlib.util.find_spec("face_alignment") is not None

    @property
    def restores(self) -> bool:
        """Whether the page offers to restore faces."""
        return self._restore is not None

    def restorer(self) -> "tuple[Restorer, float]":
        """What restores faces, and the seconds that one takes; loaded when it is first needed.

        Raises:
            ReenactError: the weights cannot be used.
        """
        with self._restoring:
            return self._restorer()

    def warm_up(self) -> list[threading.Thread]:
        """Load all offered systems in the background; failures are logged here and raised again by `engine`."""

        def load(system: str) -> None:
            try:
                self.engine(system)
            except ReenactError as error:
                _LOG.warning("The system %s is not ready: %s", system, error)

        offered = [system for system in CATALOG if self.offers(system)]
        threads = [threading.Thread(target=load, args=(each,), name=f"load {each}", daemon=True) for each in offered]
        for thread in threads:
            thread.start()
        return threads

    def load_weights(self) -> None:
        """Load the systems whose weights the host has set.

        Raises:
            ReenactError: they cannot be loaded, and they are required.
        """
        for system in self._weights:
            self.engine(system)

    def engine(self, system: str, tracker: str = "own") -> "Engine":
        """The engine of a system; waits while it is being loaded.

        Args:
            system: its id.
            tracker: "own" or "fan".

        Raises:
            ConfigError: no such system, or the host does not offer it.
            ReenactError: its weights, or those of the tracker, are missing or cannot be used.
        """
        if tracker == "fan":
            with self._tracking:
                return dataclasses.replace(self.engine(system), tracker=self._fan())
        if (named := find_system(system).id) not in self._offered:
            names = ", ".join(filter(self.offers, CATALOG))
            raise ConfigError(f"The system {named} is not offered on this page; choose {names}.")
        slot = self._slots[named]
        with slot.lock:
            if slot.engine is None:
                slot.engine, slot.problem = self._loaded(system)
            return slot.engine

    def notes(self, system: str | None) -> list[str]:
        """Which weights drew, for the notes of a result; nothing for None, where no system drew."""
        slot = _Slot() if system is None else self._slots[system]
        if system is None or slot.weights is None:
            return []
        return [f"Weights of {CATALOG[system].title}: {slot.weights}.", *[slot.problem] * bool(slot.problem)]

    def describe_weights(self) -> str:
        """Markdown for the About tab: the weights of every offered system in full."""
        lines: list[str] = []
        for system in filter(self.offers, CATALOG):
            slot = self._slots[system]
            text = "not loaded yet" if slot.weights is None else _in_full(slot.weights)
            lines.append(f"- {CATALOG[system].title}: {text}. {slot.problem}".rstrip())
        return "**Weights.**\n" + "\n".join(lines)

    def _load_restorer(self) -> "tuple[Restorer, float]":
        from reenact.hub import select_device
        from reenact.restore.gfpgan import load_restorer

        restorer = load_restorer(self._restore, device=select_device("auto"))
        restorer.measure()  # the first pass takes longer
        return restorer, restorer.measure()

    def _loaded(self, system: str) -> "tuple[Engine, str]":
        where = self._weights.get(system)
        if where is None:
            return self._load(system), ""
        try:
            return self._load(system, checkpoint=where), ""
        except ReenactError as error:
            if self._require:
                raise
            _LOG.warning("The weights %s=%s are not used: %s", system, where, error)
            problem = f"The weights set for {CATALOG[system].title} could not be loaded; the embedded ones draw."
            return self._load(system), problem


def _in_full(weights: WeightsInfo) -> str:
    """Where weights came from; folders of the server are not named."""
    if weights.repository is None:
        name = "embedded" if weights.is_embedded else f"folder {weights.folder.name}"
    else:
        revision = "" if weights.revision is None else f", revision {weights.revision}"
        name = f"{weights.repository}{revision}, commit `{weights.commit}`"
    return f"{name}, sha256 `{weights.sha256}`"


def _load_fan() -> "Tracker":
    from reenact.hub import load_tracker, select_device

    try:
        return load_tracker("fan", select_device("auto"))
    except MissingDependencyError as error:  # its text names folders of the server
        _LOG.warning("The tracker FAN is not used: %s", error)
        raise MissingDependencyError(
            "The tracker FAN cannot be loaded here; choose the project's own. The server's log has details."
        ) from error


def _load_engine(system: str, checkpoint: str | None = None) -> "Engine":
    from reenact.pipeline.engine import load_engine

    return load_engine(system, checkpoint=checkpoint)
