"""Names -> checkpoint folders: local, embedded, or fetched from the Hub."""

import dataclasses
import pathlib

from reenact.errors import CheckpointError, ConfigError, Hint, OutputError
from reenact.hub import remote
from reenact.hub.checkpoint import PICKLE_SUFFIXES, read_config, refuse_file
from reenact.weights import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME, embedded_names, embedded_weights

PUBLISHED_PREFIX = "reenact-"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Located:
    """A checkpoint folder, and the Hub repository that it was fetched from."""

    folder: pathlib.Path
    repository: str | None = None
    revision: str | None = None
    """The one that was asked for."""
    commit: str | None = None


def published_name(name: str) -> str:
    """The repository name of an embedded checkpoint: "reenact-perception-tracker" for "perception/tracker"."""
    return PUBLISHED_PREFIX + _short_name(name)


def _short_name(name: str) -> str:
    return name.replace("/", "-").replace("_", "-")


def repository(name: str, owner: str | None) -> tuple[str, str | None]:
    """Repository and revision of "owner/name", "owner/name@revision", or of one of `owner`'s published names.

    Raises:
        ConfigError: the name has none of these forms.
    """
    known = [_short_name(embedded) for embedded in embedded_names()]
    short = _short_name(name)
    if short in known and owner is not None:
        return f"{owner}/{PUBLISHED_PREFIX}{short}", None
    if short in known:
        raise ConfigError(
            f"Whose {name}? Name the owner of NAME/{PUBLISHED_PREFIX}{short}; the embedded weights need no download.",
            hint=Hint.OWNER,
        )
    found = remote.split_name(name)
    if found is None or owner is not None:
        raise ConfigError(
            f'{name!r} is no published name; write "owner/name", or name an owner and one of: {", ".join(known)}.',
            hint=Hint.OWNER,
        )
    return found


def resolve(name: str | pathlib.Path, revision: str | None = None) -> pathlib.Path:
    """The folder of a checkpoint, see `locate`."""
    return locate(name, revision).folder


def locate(name: str | pathlib.Path, revision: str | None = None) -> Located:
    """Find a checkpoint: a local folder, else an embedded name, else "owner/name" on the Hub.

    Args:
        name: a path, an embedded name such as "correspondence", or a Hub repository, which may end in "@revision".
        revision: branch, tag or commit on the Hub.

    Raises:
        CheckpointError: nothing by that name, a pickle, or the Hub cannot be reached.
        ConfigError: a revision of something that is not on the Hub.
    """
    text = str(name)
    local = pathlib.Path(name).expanduser()
    if local.is_dir():
        return Located(folder=_without_revision(local, revision))
    if local.is_file() or local.suffix.lower() in PICKLE_SUFFIXES:
        refuse_file(local)
    embedded = embedded_names()
    if text in embedded:
        return Located(folder=_without_revision(embedded_weights(text), revision))
    found = remote.split_name(text) if isinstance(name, str) else None
    if found is not None:
        revision = revision or found[1]
        folder = download(found[0], revision)
        return Located(folder=folder, repository=found[0], revision=revision, commit=folder.name)
    known = ", ".join(embedded) or "none are installed"
    if isinstance(name, pathlib.Path) or "/" in text or "\\" in text or text.startswith((".", "~")):
        raise CheckpointError(f"No checkpoint folder at {text}; give an existing folder, or one of: {known}.")
    raise CheckpointError(
        f"No checkpoint is called {text!r}; the embedded ones are: {known}. "
        'Or give a folder, or a Hub repository as "owner/name".'
    )


def _without_revision(folder: pathlib.Path, revision: str | None) -> pathlib.Path:
    if revision is not None:
        raise ConfigError(f"{folder} is a local folder and has no revision {revision!r}; give owner/name.")
    return folder


def download(repo: str, revision: str | None = None, folder: pathlib.Path | None = None) -> pathlib.Path:
    """Fetch a checkpoint: first its ``config.json``, then the weights if this program can use them, and nothing else.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; the main branch if None.
        folder: where to; the Hub's cache if None.

    Raises:
        CheckpointError: no such repository, no checkpoint of this program in it, or it cannot be fetched.
        OutputError: `folder` holds something else.
    """
    if folder is not None:
        _check_free(folder)
    first = remote.fetch(repo, revision, [CONFIG_NAME])
    commit = first.name
    present = remote.files_of(repo, commit)
    if not (first / CONFIG_NAME).is_file():
        raise CheckpointError(f"{repo} on the Hub has no {CONFIG_NAME}: it is not a checkpoint of this program.")
    read_config(first / CONFIG_NAME)
    if present and WEIGHTS_NAME not in present:
        pickles = [path for path in present if path.lower().endswith(PICKLE_SUFFIXES)]
        what = f"{pickles[0]}, a pickle, which can run code when opened, and " if pickles else ""
        raise CheckpointError(f"{repo} on the Hub has {what}no {WEIGHTS_NAME}; ask its owner for safetensors.")
    return remote.fetch(repo, commit, [CONFIG_NAME, WEIGHTS_NAME, CARD_NAME], folder)


def _check_free(folder: pathlib.Path) -> None:
    """Do not write among files that no earlier download put there."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ".cache" / "huggingface").is_dir():
        raise OutputError(f"{folder} is not empty and holds no earlier download; give an empty or a new folder.")
