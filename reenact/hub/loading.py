"""Checkpoint -> system or network on a device, ready to use.

Each loader imports only what it loads, to keep the start-up time short.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import nn

from reenact.errors import CheckpointError, ConfigError
from reenact.hub.checkpoint import Checkpoint, load_weights, read_checkpoint, read_network_config
from reenact.hub.names import locate, resolve
from reenact.ops.fold import fold_batch_norms
from reenact.systems.catalog import CATALOG, DEFAULT_SYSTEM
from reenact.types import FaceGeometry, FaceImage
from reenact.weights import WEIGHTS_NAME, WeightsInfo, embedded_weights

if TYPE_CHECKING:
    from reenact.perception.detector import Detector
    from reenact.perception.hidden import HiddenNetwork
    from reenact.perception.identity import IdentityNetwork
    from reenact.perception.parser import ParserNetwork
    from reenact.perception.tracking import Tracker
    from reenact.portrait.painters import Painted, Painters
    from reenact.systems.base import Need, Reenactor
    from reenact.systems.latent_directions.people import RandomPeople

Config = TypeVar("Config")
Network = TypeVar("Network", bound=nn.Module)
TrackerKind = Literal["own", "fan", "mediapipe"]
"""Face tracker backend. own: the embedded networks; fan: face-alignment; mediapipe: MediaPipe FaceLandmarker."""


def select_device(name: str = "auto") -> torch.device:
    """The device by name: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdecimal())):
        raise ConfigError(f"No device is called {name!r}; choose auto, cpu, cuda, cuda:N or mps.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"Device {name!r} was requested, but torch finds no CUDA GPU; use cpu or auto.")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise ConfigError(f"Device {name!r} was requested, but torch finds only {torch.cuda.device_count()} CUDA GPUs.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("Device 'mps' was requested, but this machine has no Metal GPU; use cpu or auto.")
    return torch.device(name)


def load(
    name: str | pathlib.Path = DEFAULT_SYSTEM,
    *,
    device: str | torch.device = "cpu",
    revision: str | None = None,
) -> "Reenactor[Any, Any, Any]":
    """Load a reenactment system, ready to render; its `weights` say where they came from.

    Args:
        name: a folder, an embedded name such as "correspondence", or a Hub repository "owner/name[@revision]".
        device: a device or its name, see `select_device`.
        revision: branch, tag or commit on the Hub.

    Raises:
        CheckpointError: not found, or the weights cannot be used.
        ConfigError: a revision of something that is not on the Hub.
    """
    located = locate(name, revision)
    checkpoint = read_checkpoint(located.folder)
    model = checkpoint.config["model"]
    if model not in CATALOG:
        raise CheckpointError(
            f"{checkpoint.folder} holds a {model!r} model, which is no reenactment system; "
            f"the systems are: {', '.join(CATALOG)}."
        )
    system_class = CATALOG[model].load_class()
    system = system_class(read_network_config(checkpoint, system_class.config_class))
    load_weights(system.networks, checkpoint.weights, where=checkpoint.folder)
    system.prepare()
    system.fill_needs = fill_needs
    system.paint = paint
    system.weights = WeightsInfo(sha256=_sha256_of(located.folder / WEIGHTS_NAME), **vars(located))
    return system.to(_device(device))


def load_tracker(
    kind: TrackerKind = "own",
    device: str | torch.device = "cpu",
    *,
    model_file: str | os.PathLike[str] | None = None,
    checkpoint: str | pathlib.Path | None = None,
) -> "Tracker":
    """Load a face tracker.

    Args:
        kind: its backend.
        device: where the networks run; MediaPipe always runs on the CPU.
        model_file: for "mediapipe": path of ``face_landmarker.task``; the path in REENACT_FACE_LANDMARKER if None.
        checkpoint: for "own": folder or Hub repository of the tracker network; the embedded one if None.

    Raises:
        MissingDependencyError: the library or the weights of a backend are missing.
        CheckpointError: the weights are missing or broken.
    """
    if kind == "mediapipe":
        from reenact.perception.mediapipe import MediaPipeTracker

        return MediaPipeTracker(model_file)
    if kind == "fan":
        from reenact.perception.fan import FanTracker

        return FanTracker(_device(device))
    if kind != "own":
        raise ConfigError(f"No tracker is called {kind!r}; choose own, fan or mediapipe.")
    from reenact.perception.tracker import TrackerConfig, TrackerNetwork
    from reenact.perception.tracking import FaceTracker

    network = _network("tracker", checkpoint, TrackerConfig, TrackerNetwork)
    return FaceTracker(load_detector(device), network, _device(device))


def load_detector(device: str | torch.device = "cpu", *, checkpoint: str | pathlib.Path | None = None) -> "Detector":
    """Load the face detector: embedded, or from a folder or a Hub repository."""
    from reenact.perception.detector import Detector, DetectorConfig, DetectorNetwork

    network = _network("detector", checkpoint, DetectorConfig, DetectorNetwork)
    return Detector(network.eval().requires_grad_(False), _device(device))


def load_identity(
    device: str | torch.device = "cpu", *, checkpoint: str | pathlib.Path | None = None
) -> "IdentityNetwork":
    """Load the identity encoder: embedded, or from a folder or a Hub repository."""
    from reenact.perception.identity import IdentityConfig, IdentityNetwork

    network = _network("identity", checkpoint, IdentityConfig, IdentityNetwork)
    return network.to(_device(device)).eval().requires_grad_(False)


def load_parser(device: str | torch.device = "cpu", *, checkpoint: str | pathlib.Path | None = None) -> "ParserNetwork":
    """Load the face parser: embedded, or from a folder or a Hub repository."""
    from reenact.perception.parser import ParserConfig, ParserNetwork

    network = _network("parser", checkpoint, ParserConfig, ParserNetwork)
    return network.to(_device(device)).eval().requires_grad_(False)


def load_hidden(device: str | torch.device = "cpu", *, checkpoint: str | pathlib.Path | None = None) -> "HiddenNetwork":
    """Load the network that finds hidden parts of faces: embedded, or from a folder or a Hub repository."""
    from reenact.perception.hidden import HiddenConfig, HiddenNetwork

    network = _network("hidden", checkpoint, HiddenConfig, HiddenNetwork)
    return network.to(_device(device)).eval().requires_grad_(False)


@functools.cache
def face_parser(device: torch.device) -> nn.Module:
    """The embedded parser with its norms folded; loaded once per device."""
    return fold_batch_norms(load_parser(device)).requires_grad_(False)


@functools.cache
def face_encoder(device: torch.device) -> nn.Module:
    """The embedded identity encoder with its norms folded; loaded once per device."""
    return fold_batch_norms(load_identity(device)).requires_grad_(False)


def fill_needs(image: FaceImage, geometry: FaceGeometry, needs: "frozenset[Need]") -> FaceImage:
    """The source crop with the needed fields that it lacks, from the embedded networks.

    Args:
        image: crops of faces.
        geometry: of the same faces, in the crops' pixels.
        needs: of the system.
    """
    from reenact.perception.needs import face_codes, parse_squares

    rgb, filled = image.rgb, dict[str, torch.Tensor]()
    if "parsing" in needs and image.parsing is None:
        filled["parsing"] = parse_squares(face_parser(rgb.device), rgb)
    if "embedding" in needs and image.embedding is None:
        filled["embedding"] = face_codes(face_encoder(rgb.device), rgb, geometry.mesh_px)
    return dataclasses.replace(image, **filled)


@functools.cache
def random_people(device: torch.device) -> "RandomPeople":
    """The embedded generator of people who do not exist; loaded once per device."""
    from reenact.systems.latent_directions.people import PeopleConfig, RandomPeople

    read = read_checkpoint(embedded_weights("people"), model="random_people")
    people = RandomPeople(read_network_config(read, PeopleConfig))
    load_weights(people, read.weights, where=read.folder)
    return people.to(device).eval().requires_grad_(False)


@functools.cache
def painters(device: torch.device) -> "Painters":
    """The embedded painters of mouths and eyes; loaded once per device."""
    from reenact.perception.hidden import BOTH_EYES, HIDDEN, hidden_shares
    from reenact.portrait.networks import Painter, PainterConfig
    from reenact.portrait.painters import Painters

    networks: dict[str, Painter] = {}
    for part in ("mouth", "eye"):
        read = read_checkpoint(embedded_weights(f"painters/{part}"), model=f"{part}_painter")
        network = Painter(read_network_config(read, PainterConfig))
        load_weights(network, read.weights, where=read.folder)
        folded = fold_batch_norms(network).requires_grad_(False)
        networks[part] = folded.to(device).to(memory_format=torch.channels_last)
    hidden = load_hidden(device)

    def find_hidden(rgb: torch.Tensor, mesh_px: torch.Tensor) -> torch.Tensor:
        shares = hidden_shares(hidden, rgb, mesh_px)[0]
        shares[1:] += shares[1:].amax() * (shares[1:] > BOTH_EYES)  # sunglasses hide both eyes
        return shares > HIDDEN

    return Painters(**networks, hidden=find_hidden)


def paint(rgb: torch.Tensor, *others: Any) -> "Painted":
    """`Painters.paint` by the embedded painters, on the device of the frames."""
    return painters(rgb.device).paint(rgb, *others)


def check_loadable(folder: pathlib.Path) -> Checkpoint:
    """Load a checkpoint as its users will, to find errors before it is published.

    Args:
        folder: of a system or a perception network; of any other model, only the files are checked.

    Raises:
        CheckpointError: broken, not finite, or weights that do not fit their configuration.
    """
    loaders: dict[str, Callable[[], object]] = {
        "tracker": lambda: load_tracker(checkpoint=folder),
        "detector": lambda: load_detector(checkpoint=folder),
        "identity": lambda: load_identity(checkpoint=folder),
        "parser": lambda: load_parser(checkpoint=folder),
        "hidden": lambda: load_hidden(checkpoint=folder),
        **{system: lambda: load(folder) for system in CATALOG},
    }
    checkpoint = read_checkpoint(folder)
    if checkpoint.config["model"] in loaders:
        loaders[checkpoint.config["model"]]()
    return checkpoint


def _network(
    model: str,
    checkpoint: str | pathlib.Path | None,
    config_class: type[Config],
    network_class: Callable[[Config], Network],
) -> Network:
    """A perception network with its weights: the embedded ones unless `checkpoint` names others."""
    folder = embedded_weights(f"perception/{model}") if checkpoint is None else resolve(checkpoint)
    read = read_checkpoint(folder, model=model)
    network = network_class(read_network_config(read, config_class))
    load_weights(network, read.weights, where=read.folder)
    return network


def _sha256_of(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _device(device: str | torch.device) -> torch.device:
    return select_device(device) if isinstance(device, str) else device
