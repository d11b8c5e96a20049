"""Checkpoint folders, read and loaded strictly.

A checkpoint is a folder with ``config.json`` (the network and its training), ``model.safetensors`` (the weights) and
``README.md`` (the model card). Nothing else is opened: pickles (.pth, .ckpt, .bin, ...) can run code when opened, and
are refused by name.
"""

import dataclasses
import json
import pathlib
from typing import Any, TypeVar, cast

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reenact.config import parse_config
from reenact.errors import CheckpointError, ConfigError, one_line
from reenact.weights import CONFIG_NAME, WEIGHTS_NAME

FORMAT_VERSION = 1
"""Newest format of config.json that this program reads."""

PICKLE_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".pkl", ".pickle", ".tar")
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_LISTED = 5
SCALE_SUFFIX = ".scale8"
"""A tensor X with X.scale8 beside it is stored in 8 bits: one scale for each row of its first dimension."""

ConfigClass = TypeVar("ConfigClass")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The content of a checkpoint folder, checked but not yet in a network."""

    folder: pathlib.Path
    """Named in errors."""
    config: dict[str, Any]
    """config.json: "format_version", "model", "network" and "training" at least."""
    weights: dict[str, Tensor]
    """Finite tensors by name, on the CPU, in the file's precision; those stored in 8 bits in fp16."""


def refuse_file(path: pathlib.Path) -> None:
    """Raise a `CheckpointError` that says why this file is no checkpoint folder."""
    if path.suffix.lower() in PICKLE_SUFFIXES:
        raise CheckpointError(_pickle_text(path))
    if path.suffix.lower() == ".safetensors" or path.name == CONFIG_NAME:
        raise CheckpointError(f"{path} is a single file; give its folder, which must hold {CONFIG_NAME} too.")
    raise CheckpointError(f"{path} is not a checkpoint; give a folder with {CONFIG_NAME} and {WEIGHTS_NAME}.")


def _pickle_text(path: pathlib.Path) -> str:
    return f"{path} is a pickle, which can run code when opened; give a folder with {CONFIG_NAME} and {WEIGHTS_NAME}."


def read_checkpoint(folder: str | pathlib.Path, *, model: str | None = None) -> Checkpoint:
    """Read and check a checkpoint folder.

    Args:
        folder: with ``config.json`` and ``model.safetensors``.
        model: expected "model", e.g. "tracker"; None takes any.

    Raises:
        CheckpointError: anything is missing, broken, of another model, newer than this program, or not finite.
    """
    folder = pathlib.Path(folder)
    if folder.is_file() or folder.suffix.lower() in PICKLE_SUFFIXES:
        refuse_file(folder)
    if not folder.is_dir():
        raise CheckpointError(f"No checkpoint folder at {folder}; give a folder with {CONFIG_NAME} and {WEIGHTS_NAME}.")
    weights_path = folder / WEIGHTS_NAME
    if not weights_path.is_file():
        pickles = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICKLE_SUFFIXES)
        if pickles:
            raise CheckpointError(_pickle_text(pickles[0]))
        raise CheckpointError(f"{folder} has no {WEIGHTS_NAME}; download the checkpoint again, or give another folder.")
    config = read_config(folder / CONFIG_NAME, model)
    return Checkpoint(folder=folder, config=config, weights=_read_weights(weights_path))


def read_config(path: pathlib.Path, model: str | None = None) -> dict[str, Any]:
    """Read and check a ``config.json`` alone; `model` as in `read_checkpoint`.

    Raises:
        CheckpointError: missing, broken, not of this program, newer than it, or of another model.
    """
    if not path.is_file():
        raise CheckpointError(f"{path.parent} has no {CONFIG_NAME}; the weights cannot be used without it.")
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON ({one_line(error)}); download it again.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {one_line(error)}.") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} holds no JSON object; download it again.")
    config = cast(dict[str, Any], config)
    version, found = config.get("format_version"), config.get("model")
    if type(version) is not int or version < 1 or not isinstance(found, str):
        raise CheckpointError(f'{path} lacks "format_version" or "model": it is not a checkpoint of this program.')
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format_version {version}, this program reads up to {FORMAT_VERSION}; update the program."
        )
    if model is not None and found != model:
        raise CheckpointError(f"{path.parent} holds a {found!r} model, but a {model!r} model is needed here.")
    return config


def _read_weights(path: pathlib.Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            start = file.read(9)
        # a safetensors file starts with the length of its header, which may look like a pickle, and then the header
        if start.startswith(_PICKLE_STARTS) and start[8:] != b"{":
            raise CheckpointError(_pickle_text(path))
        weights = unpack_weights(load_file(path))
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({one_line(error)}); download it again."
        ) from error
    broken = [
        name for name, value in weights.items() if value.is_floating_point() and not bool(torch.isfinite(value).all())
    ]
    if broken:
        raise CheckpointError(f"{path} has NaN or infinite weights in {_listed(broken)}; the training run went wrong.")
    return weights


def pack_weights(weights: dict[str, Tensor], *, least: int = 4096) -> dict[str, Tensor]:
    """Weights with matrices and kernels of `least` or more numbers rounded to 8 bits, one scale for each row.

    The largest number of a row becomes 127; the error of a weight is at most half a step.
    """
    packed = dict(weights)
    for name, value in weights.items():
        if value.dtype == torch.float16 and value.ndim >= 2 and value.numel() >= least:
            rows = value.float().flatten(1)
            scale = (rows.abs().amax(1, keepdim=True).clamp(min=1e-6) / 127).half().float()
            packed[name] = (rows / scale).round().clamp(-127, 127).to(torch.int8).view_as(value)
            packed[name + SCALE_SUFFIX] = scale[:, 0].half()
    return packed


def unpack_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `pack_weights`; weights that are not packed stay as they are.

    Raises:
        CheckpointError: a scale belongs to no weight in 8 bits with as many rows.
    """
    scales = {name.removesuffix(SCALE_SUFFIX): each for name, each in weights.items() if name.endswith(SCALE_SUFFIX)}
    unpacked = {name: value for name, value in weights.items() if not name.endswith(SCALE_SUFFIX)}
    for name, scale in scales.items():
        value = unpacked.get(name)
        if value is None or value.dtype != torch.int8 or value.ndim < 2 or scale.shape != value.shape[:1]:
            raise CheckpointError(f"{name}{SCALE_SUFFIX} fits no weight stored in 8 bits; download the weights again.")
        unpacked[name] = (value.float().flatten(1) * scale.float()[:, None]).view_as(value).half()
    return unpacked


def read_network_config(checkpoint: Checkpoint, config_class: type[ConfigClass]) -> ConfigClass:
    """The "network" section of ``config.json`` as the dataclass `config_class`; lists become tuples.

    Raises:
        CheckpointError: unknown or missing fields.
    """
    path = checkpoint.folder / CONFIG_NAME
    given: Any = checkpoint.config.get("network")
    if not isinstance(given, dict):
        raise CheckpointError(f'{path} has no "network" section; download it again.')
    try:
        return parse_config(config_class, given, where=f'"network" in {path}')
    except ConfigError as error:
        raise CheckpointError(str(error)) from error


def load_weights(module: nn.Module, weights: dict[str, Tensor], *, where: str | pathlib.Path) -> None:
    """Copy all `weights` into `module`, cast to its precision.

    Args:
        module: changed in place.
        weights: of a `Checkpoint`.
        where: they come from, for the error.

    Raises:
        CheckpointError: missing, extra or mis-shaped tensors; the text lists the first five of each.
    """
    wanted = module.state_dict()
    # exported files leave out BatchNorm's counter, which inference does not read
    missing = [name for name in wanted if name not in weights and not name.endswith("num_batches_tracked")]
    extra = [name for name in weights if name not in wanted]
    shapes = [
        f"{name} is {_shape(value)}, needs {_shape(wanted[name])}"
        for name, value in weights.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    problems = [
        f"{len(names)} {what} ({_listed(names)})"
        for what, names in (("missing", missing), ("extra", extra), ("mis-shaped", shapes))
        if names
    ]
    if problems:
        raise CheckpointError(
            f"The weights in {where} do not fit {type(module).__name__}: {'; '.join(problems)}. "
            f"Use the {CONFIG_NAME} that was written with them."
        )
    module.load_state_dict(
        {name: weights[name].to(value.dtype) if name in weights else value for name, value in wanted.items()}
    )


def _shape(value: Tensor) -> str:
    return "x".join(str(size) for size in value.shape) or "a scalar"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f", and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
