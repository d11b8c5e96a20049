"""Uploads to the Hub, checked first and in one commit each: one checkpoint, all checkpoints, or the page as a Space."""

import dataclasses
import functools
import pathlib
import subprocess
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from reenact import weights
from reenact.errors import CheckpointError, ConfigError, OutputError, ReenactError
from reenact.hub.card import complete_card, pictures_of, read_card, read_front_matter
from reenact.hub.loading import check_loadable
from reenact.hub.names import published_name
from reenact.hub.remote import check_repo_name, explained_write, retry_while_busy
from reenact.weights import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME

MAIN = "main"
COLLECTION = "Reenact: face reenactment"
MAX_TITLE = 59
"""Characters in the title of a collection."""
SPACE_PATHS = (
    *("README.md", "LICENSE", "NOTICE.md", "app.py", "requirements.txt"),
    *("reenact", "checkpoints", "examples", "docs"),
)
"""Files and folders of the clone that the page needs, or that its README shows."""
_COLLECTION_TEXT = "Face reenactment systems and the perception networks that they need, for the library reenact."
_COMMIT_DIGITS = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Upload:
    """Checked content for one repository."""

    repo: str
    """owner/name."""
    folder: pathlib.Path
    """Holds `files`."""
    files: tuple[str, ...]
    """Paths within `folder`."""
    card: str
    """README.md as it is published."""
    message: str
    """Of the commit."""
    repo_type: Literal["model", "space"] = "model"

    @property
    def owner(self) -> str:
        """User or organisation of the repository."""
        return self.repo.partition("/")[0]

    @property
    def url(self) -> str:
        """Page of the repository."""
        return f"{HfApi().endpoint}/{'spaces/' * (self.repo_type == 'space')}{self.repo}"

    def size_bytes(self, name: str) -> int:
        """Size of one of `files`."""
        return len(self.card.encode()) if name == CARD_NAME else (self.folder / name).stat().st_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pushed:
    """A repository after an upload."""

    repo: str
    """owner/name."""
    url: str
    """Page of the repository, at its branch."""
    commit: str
    """The branch's commit, 40 hex digits."""
    changed: bool
    """False if the Hub already had the same content."""
    notes: tuple[str, ...] = ()
    """The Hub's remarks on the card."""


def prepare_checkpoint(folder: str | pathlib.Path, repo: str) -> Upload:
    """Check a checkpoint as strictly as loading does, and complete its card.

    Raises:
        CheckpointError: anything is missing, broken or not finite, or the card is incomplete.
        ConfigError: `repo` is no repository name.
    """
    check_repo_name(repo)
    folder = pathlib.Path(folder).expanduser()
    checkpoint = check_loadable(folder)
    card = read_card(folder)
    return Upload(
        repo=repo,
        folder=folder,
        files=(CONFIG_NAME, WEIGHTS_NAME, CARD_NAME, *pictures_of(folder, card.text)),
        card=complete_card(card, checkpoint.config, repo),
        message=f"Upload {folder.name} with reenact",
    )


def prepare_space(repo: str, root: pathlib.Path | None = None) -> Upload:
    """Collect the page's files, as git tracks them, for a Space.

    Args:
        repo: owner/name of the Space.
        root: the clone; the one that the package runs from if None.

    Raises:
        ConfigError: no clone, files that are not committed, or a README.md that describes no gradio Space.
    """
    check_repo_name(repo)
    root = weights.EMBEDDED.parent if root is None else root
    if not (root / "app.py").is_file():
        raise ConfigError(f"{root} has no app.py; a Space is published from a clone of the project.")
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *SPACE_PATHS)
    if changed:
        listed = ", ".join(line[3:] for line in changed[:5])
        raise ConfigError(f"Not committed: {listed}; commit or remove them, a Space gets only what git tracks.")
    files = _git(root, "ls-files", "--", *SPACE_PATHS)
    front = read_front_matter(root / CARD_NAME).metadata
    if front.get("sdk") != "gradio" or front.get("app_file") not in files:
        raise ConfigError(f"{root / CARD_NAME} must say `sdk: gradio` and name the page's file as `app_file`.")
    [commit] = _git(root, "rev-parse", "--short", "HEAD")
    card = (root / CARD_NAME).read_text(encoding="utf-8")
    return Upload(repo=repo, folder=root, files=tuple(files), card=card, message=f"Upload {commit}", repo_type="space")


def _git(root: pathlib.Path, *words: str) -> list[str]:
    """The lines that git prints."""
    command = ["git", "-c", "core.quotePath=off", *words]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"{root} is not a git clone, or git is not installed; a Space is published from one."
        ) from error
    return done.stdout.splitlines()


def check_token(what: str, owner: str) -> None:
    """Ask the Hub whether the token may write.

    Args:
        what: is to be written, for the error.
        owner: user or organisation it belongs to.

    Raises:
        OutputError: no token, an unknown one, or a read-only one.
    """
    with explained_write(what, owner):
        account: dict[str, Any] = retry_while_busy(HfApi().whoami)
    if account.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise OutputError(
            f"The token of {account['name']} can only read; make one with write scope at "
            f"{HfApi().endpoint}/settings/tokens, then run `hf auth login` or set HF_TOKEN."
        )


def push(
    folder: str | pathlib.Path,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
) -> Pushed:
    """Upload a checkpoint in one commit, or nothing if anything is wrong with it.

    Args:
        folder: the checkpoint.
        repo: owner/name; created if missing.
        private: only the owner can see it.
        revision: branch; created if missing.
        message: of the commit.

    Raises:
        CheckpointError: the checkpoint or its card is not fit to be published.
        ConfigError: an invalid name.
        OutputError: the Hub refuses or cannot be reached.
    """
    upload = prepare_checkpoint(folder, repo)
    if message is not None:
        upload = dataclasses.replace(upload, message=message)
    check_token(repo, upload.owner)
    return send(upload, private=private, revision=revision)


def send(upload: Upload, *, private: bool = False, revision: str | None = None) -> Pushed:
    """Send prepared content; see `push`. A Space also loses files of earlier uploads that are gone."""
    branch = revision or MAIN
    if len(branch) == _COMMIT_DIGITS and all(digit in "0123456789abcdef" for digit in branch):
        raise ConfigError(f"The revision {branch} is a commit, which cannot change; give the name of a branch.")
    api = HfApi()
    with explained_write(upload.repo, upload.owner), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        before, there = _prepare_branch(api, upload, private=private, branch=branch)
        commit = retry_while_busy(
            lambda: api.create_commit(
                upload.repo,
                _operations(upload, there),
                commit_message=upload.message,
                revision=branch,
                repo_type=upload.repo_type,
            )
        )
    return Pushed(
        repo=upload.repo,
        url=upload.url + (f"/tree/{branch}" if branch != MAIN else ""),
        commit=commit.oid,
        changed=commit.oid != before,
        notes=tuple(" ".join(str(one.message).split()) for one in said if one.category is UserWarning),
    )


def _prepare_branch(api: HfApi, upload: Upload, *, private: bool, branch: str) -> tuple[str | None, list[str]]:
    """Create repository and branch where they are missing; the branch's commit and files so far."""
    repo, kind = upload.repo, upload.repo_type
    sdk = "gradio" if kind == "space" else None
    retry_while_busy(
        lambda: api.create_repo(repo, repo_type=kind, space_sdk=sdk, private=private or None, exist_ok=True)
    )
    found = retry_while_busy(lambda: api.repo_info(repo, repo_type=kind))
    if private and not found.private:
        raise OutputError(
            f"{repo} exists and is public, so nothing was uploaded; make it private at {upload.url}/settings, "
            "or upload it as public."
        )
    if branch != MAIN:
        retry_while_busy(lambda: api.create_branch(repo, repo_type=kind, branch=branch, exist_ok=True))
        found = retry_while_busy(lambda: api.repo_info(repo, repo_type=kind, revision=branch))
    there = retry_while_busy(lambda: api.list_repo_files(repo, repo_type=kind)) if kind == "space" else []
    return found.sha, there


def _operations(upload: Upload, there: list[str]) -> list[CommitOperationAdd | CommitOperationDelete]:
    stale = [
        name
        for name in there
        if upload.repo_type == "space" and name.partition("/")[0] in SPACE_PATHS and name not in upload.files
    ]
    try:
        added = [
            CommitOperationAdd(name, upload.card.encode() if name == CARD_NAME else upload.folder / name)
            for name in upload.files
        ]
    except ValueError as error:
        raise CheckpointError(f"{upload.folder} changed during the upload ({error}); run it again.") from error
    return [*added, *(CommitOperationDelete(name) for name in stale)]


def prepare_all(owner: str, root: pathlib.Path | None = None) -> tuple[list[Upload], dict[str, str]]:
    """Find and check all checkpoints.

    Args:
        owner: owner of the repositories.
        root: folder of checkpoints; the embedded ones if None.

    Returns:
        What can be uploaded; and why the other repositories cannot.

    Raises:
        ConfigError: no checkpoints, or an invalid owner.
    """
    check_repo_name(f"{owner}/{published_name('geometry')}")
    root = weights.EMBEDDED if root is None else root.expanduser()
    names = sorted(path.parent.relative_to(root).as_posix() for path in root.rglob(CONFIG_NAME) if path.parent != root)
    if not names:
        raise ConfigError(f"No checkpoints in {root}: no folder there has a {CONFIG_NAME}.")
    uploads: list[Upload] = []
    failed: dict[str, str] = {}
    for name in names:
        repo = f"{owner}/{published_name(name)}"
        try:
            uploads.append(prepare_checkpoint(root / name, repo))
        except ReenactError as error:
            failed[repo] = str(error)
    return uploads, failed


def send_all(
    uploads: Iterable[Upload],
    owner: str,
    *,
    private: bool = False,
    title: str = COLLECTION,
    done: Callable[[Pushed], None] = lambda _: None,
) -> tuple[str | None, dict[str, str]]:
    """Upload checkpoints, and put them into a collection. If one repository fails, the others are still uploaded.

    Args:
        uploads: of `prepare_all`.
        owner: of repositories and collection.
        private: only the owner can see them.
        title: of the collection; one of that title is extended.
        done: called after each repository.

    Returns:
        Address of the collection, None if there is none; and why repositories, or the collection, failed.

    Raises:
        ConfigError: an invalid title.
        OutputError: no token that can write.
    """
    check_title(title)
    check_token(f"The repositories of {owner}", owner)
    repos: list[str] = []
    failed: dict[str, str] = {}
    for upload in uploads:
        try:
            done(send(upload, private=private))
            repos.append(upload.repo)
        except ReenactError as error:
            failed[upload.repo] = str(error)
    try:
        return (_collect(owner, title, repos, private=private) if repos else None), failed
    except ReenactError as error:
        return None, failed | {f"collection {title!r}": str(error)}


def check_title(title: str) -> None:
    """Raise `ConfigError` unless the Hub accepts the title of a collection."""
    if not 0 < len(title.strip()) <= MAX_TITLE:
        raise ConfigError(f"The title {title!r} has {len(title)} characters; a title has 1 to {MAX_TITLE}.")


def _collect(owner: str, title: str, repos: Iterable[str], *, private: bool) -> str:
    """Add `repos` to the collection of that title, created if missing; its address."""
    api = HfApi()
    with explained_write(f"The collection {title!r}", owner):
        known = retry_while_busy(lambda: list(api.list_collections(owner=owner)))
        found = next((one for one in known if one.title == title), None) or retry_while_busy(
            lambda: api.create_collection(
                title, namespace=owner, description=_COLLECTION_TEXT, private=private, exists_ok=True
            )
        )
        for repo in repos:
            add = functools.partial(api.add_collection_item, found.slug, repo, "model", exists_ok=True)
            retry_while_busy(add)
    return found.url
