"""Names -> checkpoint folders: local, embedded, or fetched from the Hub; and the names that are published."""

import dataclasses
import pathlib

from reenact.errors import CheckpointError, ConfigError, Hint, OutputError
from reenact.hub import checkpoint, remote
from reenact.hub.checkpoint import PICKLE_SUFFIXES
from reenact.systems.catalog import CATALOG
from reenact.weights import CONFIG_NAME, WEIGHTS_NAME, embedded_names, embedded_weights

CARD_NAME = "README.md"
PUBLISHED_PREFIX = "reenact-"

PART_NAMES = ("perception/tracker", "perception/detector", "perception/identity", "perception/parser", "geometry")
"""What every system needs besides."""


def published_name(name: str) -> str:
    """A checkpoint's folder under ``checkpoints/`` as the name of its repository: "reenact-perception-tracker"."""
    return PUBLISHED_PREFIX + name.replace("/", "-").replace("_", "-")


def published_names() -> dict[str, str]:
    """Short names ("correspondence", "perception-tracker") and what their repositories are called."""
    known = dict.fromkeys([*CATALOG, *PART_NAMES, *embedded_names()])
    return {published_name(name).removeprefix(PUBLISHED_PREFIX): published_name(name) for name in known}


def repository(name: str, owner: str | None) -> tuple[str, str | None]:
    """Repository and revision of "owner/name", "owner/name@revision", or of a short name of `owner`'s.

    Raises:
        ConfigError: neither.
    """
    short = published_names().get(name.replace("/", "-").replace("_", "-"))
    if short is not None and owner is not None:
        return f"{owner}/{short}", None
    if short is not None:
        raise ConfigError(
            f"Whose {name}? Name the owner of NAME/{short}; the embedded weights need no download.",
            hint=Hint.OWNER,
        )
    found = remote.split_name(name)
    if found is None or owner is not None:
        known = ", ".join(published_names())
        raise ConfigError(
            f'{name!r} is no published name; write "owner/name", or name an owner and one of: {known}.', hint=Hint.OWNER
        )
    return found


def resolve(name: str | pathlib.Path, revision: str | None = None) -> pathlib.Path:
    """The folder of a checkpoint, see `locate`."""
    return locate(name, revision).folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Located:
    """A checkpoint folder, and the Hub repository that it was fetched from."""

    folder: pathlib.Path
    repository: str | None = None
    revision: str | None = None
    """That was asked for."""
    commit: str | None = None


def locate(name: str | pathlib.Path, revision: str | None = None) -> Located:
    """Find a checkpoint: a local folder, else an embedded name, else "owner/name" on the Hub.

    Args:
        name: a path, a name under ``checkpoints/`` such as "correspondence", or a Hub repository, which may end in
            "@revision".
        revision: branch, tag or commit on the Hub.

    Raises:
        CheckpointError: nothing by that name, a pickle, or the Hub cannot be reached; the text says what to do.
        ConfigError: a revision of something that is not on the Hub.
    """
    text = str(name)
    local = pathlib.Path(name).expanduser()
    if local.is_dir():
        return Located(folder=_without_revision(local, revision))
    if local.is_file() or local.suffix.lower() in PICKLE_SUFFIXES:
        checkpoint.refuse_file(local)
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
        raise ConfigError(
            f"Revision {revision!r} was asked for, but {folder} is a folder here, which has none; give owner/name."
        )
    return folder


def download(repo: str, revision: str | None = None, folder: pathlib.Path | None = None) -> pathlib.Path:
    """Fetch a checkpoint from the Hub: first its ``config.json``, the weights only if that is one of this program.

    Nothing else of the repository is fetched, pickles least of all.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; the main branch if None.
        folder: where to; the Hub's cache if None.

    Returns:
        The checkpoint's folder.

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
    checkpoint.read_config(first / CONFIG_NAME)
    if present and WEIGHTS_NAME not in present:
        pickles = [path for path in present if path.lower().endswith(PICKLE_SUFFIXES)]
        what = f"{pickles[0]}, a pickle, which can run code when opened, and " if pickles else ""
        raise CheckpointError(f"{repo} on the Hub has {what}no {WEIGHTS_NAME}; ask its owner for safetensors.")
    where = f"{repo} (revision {revision})" if revision else repo
    return remote.fetch(repo, commit, [CONFIG_NAME, WEIGHTS_NAME, CARD_NAME], folder, where=where)


def _check_free(folder: pathlib.Path) -> None:
    """Refuse to write among files that no earlier download put there."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ".cache" / "huggingface").is_dir():
        raise OutputError(f"{folder} is not empty and holds no earlier download; give an empty or a new folder.")
