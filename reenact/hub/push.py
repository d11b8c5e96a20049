"""One checkpoint folder -> one repository on the Hub, checked first, in one commit."""

import dataclasses
import pathlib
import warnings
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi

from reenact.errors import CheckpointError, ConfigError, OutputError
from reenact.hub.card import complete, pictures_of, read_card
from reenact.hub.loading import check_loadable
from reenact.hub.names import CARD_NAME
from reenact.hub.remote import check_repo_name, patiently, writing
from reenact.weights import CONFIG_NAME, WEIGHTS_NAME

MAIN = "main"
_COMMIT_DIGITS = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parcel:
    """What a repository gets; made by `pack`, which has checked all of it."""

    repo: str
    """owner/name."""
    folder: pathlib.Path
    """Where the files lie."""
    card: str
    """README.md as it is published."""
    files: tuple[str, ...]
    """Paths within the folder of all that is uploaded, the card among them."""

    @property
    def owner(self) -> str:
        """Whose the repository is."""
        return self.repo.partition("/")[0]

    def size_bytes(self, name: str) -> int:
        """Of one of `files`."""
        return len(self.card.encode()) if name == CARD_NAME else (self.folder / name).stat().st_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pushed:
    """What came of it."""

    repo: str
    """owner/name."""
    url: str
    """Page of the repository, at its branch."""
    commit: str
    """That holds the files now."""
    changed: bool
    """False if the Hub had all of it already."""
    notes: tuple[str, ...] = ()
    """What the Hub remarks about the card."""


def pack(folder: str | pathlib.Path, repo: str) -> Parcel:
    """Check a checkpoint as strictly as loading does, and complete its card.

    Raises:
        CheckpointError: anything is missing, broken or not finite, or the card is not fit to be shown.
        ConfigError: `repo` is no name.
    """
    check_repo_name(repo)
    folder = pathlib.Path(folder).expanduser()
    checkpoint = check_loadable(folder)
    card = read_card(folder)
    pictures = pictures_of(folder, card.text)
    return Parcel(
        repo=repo,
        folder=folder,
        card=complete(card, checkpoint.config, repo),
        files=(CONFIG_NAME, WEIGHTS_NAME, CARD_NAME, *pictures),
    )


def sign_in(what: str, owner: str) -> str:
    """The name of whoever the token belongs to.

    Args:
        what: shall be written, for the error.
        owner: whose it is.

    Raises:
        OutputError: no token, one that the Hub does not know, or one that may only read.
    """
    with writing(what, owner):
        account: dict[str, Any] = patiently(HfApi().whoami)
    role = account.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise OutputError(
            f"The token of {account['name']} may only read; make one with write scope at "
            f"{HfApi().endpoint}/settings/tokens, then run `hf auth login` or set HF_TOKEN."
        )
    return str(account["name"])


def push(
    folder: str | pathlib.Path,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
) -> Pushed:
    """Upload a checkpoint: nothing at all if anything is wrong with it, else everything in one commit.

    Args:
        folder: the checkpoint.
        repo: owner/name; created if it is not there.
        private: only the owner can see it.
        revision: branch; created if it is not there.
        message: of the commit.

    Raises:
        CheckpointError: the folder is not fit to be published.
        ConfigError: names that the Hub does not take.
        OutputError: the Hub refuses, or cannot be reached; the text says what is needed.
    """
    parcel = pack(folder, repo)
    sign_in(repo, parcel.owner)
    return send(parcel, private=private, revision=revision, message=message)


def send(parcel: Parcel, *, private: bool = False, revision: str | None = None, message: str | None = None) -> Pushed:
    """Upload what `pack` made; see `push`."""
    branch = revision or MAIN
    if len(branch) == _COMMIT_DIGITS and all(digit in "0123456789abcdef" for digit in branch):
        raise ConfigError(f"The revision {branch} is a commit, which cannot change; give the name of a branch.")
    api = HfApi()
    with writing(parcel.repo, parcel.owner), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        before = _prepare(api, parcel, private=private, branch=branch)
        commit = patiently(
            lambda: api.create_commit(
                parcel.repo,
                _operations(parcel),
                commit_message=message or f"Upload {parcel.folder.name} with reenact",
                revision=branch,
            )
        )
    url = f"{api.endpoint}/{parcel.repo}" + (f"/tree/{branch}" if branch != MAIN else "")
    return Pushed(
        repo=parcel.repo,
        url=url,
        commit=commit.oid,
        changed=commit.oid != before,
        notes=tuple(" ".join(str(one.message).split()) for one in said if one.category is UserWarning),
    )


def _prepare(api: HfApi, parcel: Parcel, *, private: bool, branch: str) -> str | None:
    """Create repository and branch where they are missing; the branch's commit so far."""
    patiently(lambda: api.create_repo(parcel.repo, private=private or None, exist_ok=True))
    found = patiently(lambda: api.model_info(parcel.repo))
    if private and not found.private:
        raise OutputError(
            f"{parcel.repo} exists and is public, so that nothing was uploaded; make it private at "
            f"{api.endpoint}/{parcel.repo}/settings, or upload it as public.",
        )
    if branch == MAIN:
        return found.sha
    patiently(lambda: api.create_branch(parcel.repo, branch=branch, exist_ok=True))
    return patiently(lambda: api.model_info(parcel.repo, revision=branch)).sha


def _operations(parcel: Parcel) -> list[CommitOperationAdd]:
    try:
        return [
            CommitOperationAdd(name, parcel.card.encode() if name == CARD_NAME else parcel.folder / name)
            for name in parcel.files
        ]
    except ValueError as error:
        raise CheckpointError(f"{parcel.folder} changed while it was uploaded ({error}); run it again.") from error
