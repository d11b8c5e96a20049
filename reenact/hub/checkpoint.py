"""Checkpoint folders: found by name, read strictly, put into networks strictly.

A checkpoint is a folder with ``config.json`` (what the network is), ``model.safetensors`` (its weights) and
``README.md`` (the model card). Nothing else is ever opened: pickles (.pth, .ckpt, .bin, ...) can run code when
opened and are refused by name.
"""

import dataclasses
import json
import pathlib
import re
from typing import Any, TypeVar, cast

import huggingface_hub
import huggingface_hub.errors
import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reenact.errors import CheckpointError

FORMAT_VERSION = 1
"""Of config.json, the newest this program reads."""

EMBEDDED = pathlib.Path(__file__).resolve().parents[2] / "checkpoints"
"""Weights that come with the project, beside the package."""

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
PICKLE_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".pkl", ".pickle", ".tar")
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_LISTED = 5

ConfigClass = TypeVar("ConfigClass")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint folder holds, checked but not yet in a network."""

    folder: pathlib.Path
    """Where it was read; named in errors."""
    config: dict[str, Any]
    """config.json: "format_version", "model", "network" and "training" at least."""
    weights: dict[str, Tensor]
    """Finite tensors by name, on the CPU, in the file's precision."""


def resolve(name: str | pathlib.Path, revision: str | None = None) -> pathlib.Path:
    """The folder of a checkpoint: a local folder, else an embedded name, else "owner/name" on the Hub.

    Args:
        name: a path, a name under ``checkpoints/`` such as "correspondence", or a Hub repository.
        revision: branch, tag or commit on the Hub; ignored for folders.

    Raises:
        CheckpointError: nothing by that name, a pickle, or the Hub cannot be reached; the text says what to do.
    """
    text = str(name)
    local = pathlib.Path(name).expanduser()
    if local.is_dir():
        return local
    if local.is_file() or local.suffix.lower() in PICKLE_SUFFIXES:
        _refuse_file(local)
    if text in embedded_names():
        return EMBEDDED / text
    if isinstance(name, str) and _HUB_NAME.fullmatch(text):
        return _download(text, revision)
    known = ", ".join(embedded_names()) or "none are installed"
    if isinstance(name, pathlib.Path) or "/" in text or "\\" in text or text.startswith((".", "~")):
        raise CheckpointError(f"No checkpoint folder at {text}; give an existing folder, or one of: {known}.")
    raise CheckpointError(
        f"No checkpoint is called {text!r}; the embedded ones are: {known}. "
        'Or give a folder, or a Hub repository as "owner/name".'
    )


def embedded(name: str) -> pathlib.Path:
    """The folder of a checkpoint that comes with the project, never a local or a Hub one of the same name.

    Raises:
        CheckpointError: it is not installed.
    """
    folder = EMBEDDED / name
    if not folder.is_dir():
        raise CheckpointError(
            f"The embedded weights {name} are missing (expected in {folder}); get the whole project again."
        )
    return folder


def embedded_names() -> list[str]:
    """Names that `resolve` finds under ``checkpoints/``, with "/" between folders."""
    return sorted(path.parent.relative_to(EMBEDDED).as_posix() for path in EMBEDDED.rglob(CONFIG_NAME))


def _refuse_file(path: pathlib.Path) -> None:
    """Raise: a single file was given where a folder is needed."""
    if path.suffix.lower() in PICKLE_SUFFIXES:
        raise CheckpointError(_pickle_text(path))
    if path.suffix.lower() == ".safetensors" or path.name == CONFIG_NAME:
        raise CheckpointError(f"{path} is a single file; give its folder, which must hold {CONFIG_NAME} too.")
    raise CheckpointError(f"{path} is not a checkpoint; give a folder with {CONFIG_NAME} and {WEIGHTS_NAME}.")


def _pickle_text(path: pathlib.Path) -> str:
    return f"{path} is a pickle, which can run code when opened; give a folder with {CONFIG_NAME} and {WEIGHTS_NAME}."


def _download(repo: str, revision: str | None) -> pathlib.Path:
    """Fetch `repo` into the Hub's cache, or find it there when offline."""
    where = f"{repo} (revision {revision})" if revision else repo
    errors = huggingface_hub.errors
    try:
        # anything else in the repository, pickles too, is never fetched
        folder = huggingface_hub.snapshot_download(
            repo, revision=revision, allow_patterns=[CONFIG_NAME, WEIGHTS_NAME, "README.md"]
        )
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(
            f"{repo} has no revision {revision!r} on the Hub; check its branches and tags."
        ) from error
    except errors.GatedRepoError as error:
        raise CheckpointError(f"{where} is gated; accept its terms on the Hub and run `hf auth login`.") from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"No repository {where} on the Hub, or it is private; check the name, or run `hf auth login`."
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise CheckpointError(
            f"{where} is not in the local cache and the Hub cannot be reached; go online (and unset HF_HUB_OFFLINE), "
            f"or run `hf download {repo} --local-dir DIR` elsewhere and give DIR."
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise CheckpointError(f"{where} could not be downloaded: {_one_line(error)}; try again later.") from error
    return pathlib.Path(folder)


def read_checkpoint(folder: str | pathlib.Path, *, model: str | None = None) -> Checkpoint:
    """Read and check a checkpoint folder.

    Args:
        folder: with ``config.json`` and ``model.safetensors``.
        model: the "model" it has to be, e.g. "tracker"; None takes any.

    Raises:
        CheckpointError: anything is missing, broken, of another model, newer than this program, or not finite.
    """
    folder = pathlib.Path(folder)
    if folder.is_file() or folder.suffix.lower() in PICKLE_SUFFIXES:
        _refuse_file(folder)
    if not folder.is_dir():
        raise CheckpointError(f"No checkpoint folder at {folder}; give a folder with {CONFIG_NAME} and {WEIGHTS_NAME}.")
    weights_path = folder / WEIGHTS_NAME
    if not weights_path.is_file():
        pickles = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICKLE_SUFFIXES)
        if pickles:
            raise CheckpointError(_pickle_text(pickles[0]))
        raise CheckpointError(f"{folder} has no {WEIGHTS_NAME}; download the checkpoint again, or give another folder.")
    config = _read_config(folder / CONFIG_NAME, model)
    return Checkpoint(folder=folder, config=config, weights=_read_weights(weights_path))


def _read_config(path: pathlib.Path, model: str | None) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path.parent} has no {CONFIG_NAME}; the weights cannot be used without it.")
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not valid JSON ({_one_line(error)}); download it again.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {_one_line(error)}.") from error
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
            start = file.read(4)
        if start.startswith(_PICKLE_STARTS):
            raise CheckpointError(_pickle_text(path))
        weights = load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({_one_line(error)}); download it again."
        ) from error
    broken = [
        name for name, value in weights.items() if value.is_floating_point() and not bool(torch.isfinite(value).all())
    ]
    if broken:
        raise CheckpointError(f"{path} has NaN or infinite weights in {_listed(broken)}; the training run went wrong.")
    return weights


def read_network_config(checkpoint: Checkpoint, config_class: type[ConfigClass]) -> ConfigClass:
    """``config.json``'s "network" as the dataclass `config_class`; lists become tuples.

    Raises:
        CheckpointError: fields that the class does not know, or that it needs and the file lacks.
    """
    path = checkpoint.folder / CONFIG_NAME
    given: Any = checkpoint.config.get("network")
    if not isinstance(given, dict):
        raise CheckpointError(f'{path} has no "network" section; download it again.')
    given = cast(dict[str, Any], given)
    fields = dataclasses.fields(cast(Any, config_class))
    unknown = sorted(set(given) - {field.name for field in fields})
    needed = [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
        and field.name not in given
    ]
    if unknown or needed:
        parts = [f"unknown: {_listed(unknown)}"] * bool(unknown) + [f"missing: {_listed(needed)}"] * bool(needed)
        raise CheckpointError(f'"network" in {path} does not fit {config_class.__name__} ({"; ".join(parts)}).')
    try:
        return config_class(**{name: _as_tuple(value) for name, value in given.items()})
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f'"network" in {path} does not fit {config_class.__name__}: {_one_line(error)}.'
        ) from error


def _as_tuple(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_as_tuple(item) for item in cast(list[Any], value))
    return value


def load_weights(module: nn.Module, weights: dict[str, Tensor], *, where: str | pathlib.Path) -> None:
    """Copy `weights` into `module`, every one of them, cast to the module's precision.

    Args:
        module: gets them in place.
        weights: as `read_checkpoint` gives them.
        where: where they come from, for the error.

    Raises:
        CheckpointError: missing, extra or mis-shaped tensors, the first five of each and their count.
    """
    wanted = module.state_dict()
    # a counter of BatchNorm that inference never reads; exported files leave it out
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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
