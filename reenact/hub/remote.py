"""The Hub: downloads, waiting while it is busy, and its errors in plain words.

Everything goes through huggingface_hub's client, so its settings apply: HF_ENDPOINT (a mirror), HF_TOKEN or
``hf auth login``, HF_HUB_OFFLINE, HF_HOME and HF_HUB_CACHE.
"""

import contextlib
import email.utils
import json
import logging
import pathlib
import re
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import huggingface_hub
import huggingface_hub.errors
import huggingface_hub.utils
from huggingface_hub import constants

from reenact.errors import CheckpointError, ConfigError, OutputError, one_line

LONGEST_WAIT_S = 120.0
"""Seconds that one call may wait in all while the Hub answers 429 (too many requests)."""
FIRST_WAIT_S = 5.0
"""Where the Hub does not say how long to wait. The n-th wait takes at least 2^n s."""

_REPO_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3})")
_log = logging.getLogger("reenact.hub")
_errors = huggingface_hub.errors
T = TypeVar("T")


def split_name(text: str) -> tuple[str, str | None] | None:
    """Repository and revision of "owner/name" or "owner/name@revision"; None for any other form."""
    repo, at, revision = text.partition("@")
    if not _REPO_NAME.fullmatch(repo) or (at and not revision):
        return None
    return repo, revision or None


def check_repo_name(repo: str) -> None:
    """Raise `ConfigError` unless the Hub accepts the name."""
    with contextlib.suppress(_errors.HFValidationError):
        huggingface_hub.utils.validate_repo_id(repo)
        if _REPO_NAME.fullmatch(repo):
            return
    raise ConfigError(
        f"{repo!r} is no repository name; write owner/name with letters, digits, -, _ and . "
        "(at most 96 characters, no -- or ..)."
    )


def fetch(repo: str, revision: str | None, files: list[str], folder: pathlib.Path | None = None) -> pathlib.Path:
    """Fetch files of a repository; those that are already here are not fetched again.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; the main branch if None.
        files: names; nothing else of the repository is fetched.
        folder: where to; the Hub's cache if None.

    Raises:
        CheckpointError: not found, not readable, or the connection broke.
    """
    with explained_read(f"{repo} (revision {revision})" if revision else repo, repo):
        return pathlib.Path(
            retry_while_busy(
                lambda: huggingface_hub.snapshot_download(
                    repo, revision=revision, allow_patterns=files, local_dir=folder
                )
            )
        )


def files_of(repo: str, commit: str) -> list[str]:
    """Names of all files of a commit that `fetch` has seen; empty if unknown."""
    try:
        tree = huggingface_hub.get_cached_repo_tree(repo, revision=commit)
    except (_errors.CachedRepoTreeNotFoundError, OSError):
        return []
    return [file.path for file in tree]


def retry_while_busy(call: Callable[[], T]) -> T:
    """Call again when the Hub answers 429, after the pause it asks for, at most `LONGEST_WAIT_S` in all."""
    waited_s, tries = 0.0, 0
    while True:
        try:
            return call()
        except (_errors.HfHubHTTPError, _errors.LocalEntryNotFoundError) as error:
            if http_status(error) != 429:
                raise
            asked_s = _asked_wait_s(error)
            wait_s = max(FIRST_WAIT_S if asked_s is None else asked_s, 2.0**tries)
            if waited_s + wait_s > LONGEST_WAIT_S:
                raise
            _log.warning("The Hub answers 429 (too many requests); trying again in %.0f s.", wait_s)
            time.sleep(wait_s)
            waited_s, tries = waited_s + wait_s, tries + 1


def http_status(error: BaseException) -> int | None:
    """The HTTP status behind an error of the Hub or of its storage."""
    answer = _answer(error)
    if answer is not None:
        return answer.response.status_code
    found = _XET_STATUS.search(str(error))
    return int(found[1]) if found else None


@contextlib.contextmanager
def explained_read(what: str, repo: str) -> Iterator[None]:
    """Turn errors of reading from the Hub into a `CheckpointError` that says what to do.

    Args:
        what: name of what is read, for the message, e.g. "owner/name (revision v1)".
        repo: owner/name.
    """
    try:
        yield
    except (_errors.HTTPError, _errors.HFValidationError, OSError, RuntimeError) as error:
        raise CheckpointError(_why_not_read(error, repo, what)) from error


@contextlib.contextmanager
def explained_write(what: str, owner: str) -> Iterator[None]:
    """Turn errors of writing to the Hub into an `OutputError` that says what to do.

    Args:
        what: repository or collection, for the text.
        owner: user or organisation it belongs to.
    """
    try:
        yield
    except (_errors.HTTPError, _errors.HFValidationError, OSError, RuntimeError, json.JSONDecodeError) as error:
        raise OutputError(f"{what} could not be written: {_why_not_written(error, owner)}") from error
    except ValueError as error:  # the client's check of the card
        raise OutputError(f"{what} could not be written: {one_line(error)}; correct it and run again.") from error


def _chain(error: BaseException) -> list[BaseException]:
    """The error and its causes."""
    links = [error]
    while (cause := links[-1].__cause__) is not None:
        links.append(cause)
    return links


def _answer(error: BaseException) -> "huggingface_hub.errors.HfHubHTTPError | None":
    return next((link for link in _chain(error) if isinstance(link, _errors.HfHubHTTPError)), None)


def _is_offline(error: BaseException) -> bool:
    return any(isinstance(link, _errors.OfflineModeIsEnabled) for link in _chain(error))


def _asked_wait_s(error: BaseException) -> float | None:
    """Seconds of the Retry-After header (a number or a date), or of the Hub's RateLimit header."""
    answer = _answer(error)
    if answer is None:
        return None
    text = answer.response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    with contextlib.suppress(ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    found = re.search(r";\s*t\s*=\s*(\d+)", answer.response.headers.get("RateLimit", ""))
    return float(found[1]) if found else None


def _answered(error: BaseException, status: int) -> str:
    """The status, with the Hub's own message."""
    if status == 429:
        asked_s = _asked_wait_s(error)
        return "429 (too many requests)" + (f" and asks to wait {asked_s:.0f} s" if asked_s is not None else "")
    answer = _answer(error)
    message = answer.server_message if answer is not None else None
    return f"{status} ({' '.join(message.split())[:200].rstrip('.')})" if message else str(status)


def _tokens_page() -> str:
    return f"{constants.ENDPOINT}/settings/tokens"


def _why_not_read(error: Exception, repo: str, what: str) -> str:
    status = http_status(error)
    if isinstance(error, _errors.RevisionNotFoundError):
        return f"{what}: no such revision on the Hub; check the branches and tags of {repo}."
    if isinstance(error, _errors.GatedRepoError):
        return f"{what} is gated; accept its terms on the Hub and run `hf auth login`."
    if status == 401 and huggingface_hub.get_token():
        return (
            f"The Hub refuses to read {what}: the token in HF_TOKEN or of `hf auth login` is not valid "
            f"(tokens: {_tokens_page()}), or there is no such repository."
        )
    if status in (401, 403, 404):
        return (
            f"No repository {what} on the Hub, or it is private and needs a token with read access; "
            "check the name, or run `hf auth login`."
        )
    if _is_offline(error) or (status is None and isinstance(error, _errors.LocalEntryNotFoundError)):
        return (
            f"{what} is not complete in the local cache, and the Hub cannot be reached ({constants.ENDPOINT}); "
            f"go online (and unset HF_HUB_OFFLINE), or run `hf download {repo} --local-dir DIR` elsewhere and give DIR."
        )
    if status is not None:
        return f"{what} could not be downloaded: the Hub answers {_answered(error, status)}; try again later."
    return f"{what} could not be downloaded: {one_line(error)}; run it again, no incomplete file was kept."


def _why_not_written(error: Exception, owner: str) -> str:
    status = http_status(error)
    if _is_offline(error):
        return "HF_HUB_OFFLINE is set; unset it."
    if isinstance(error, _errors.LocalTokenNotFoundError):
        return (
            f"there is no token of the Hub; make one with write scope at {_tokens_page()}, "
            "then run `hf auth login` or set HF_TOKEN."
        )
    if status == 401:
        return (
            f"the Hub does not accept the token in HF_TOKEN or of `hf auth login` (tokens: {_tokens_page()}); "
            "make one with write scope and run `hf auth login`, or set HF_TOKEN."
        )
    if status == 403:
        return (
            f"the token has no write access to {owner}; use one with write scope "
            f"(fine-grained: write access to the repositories of {owner}) from {_tokens_page()}."
        )
    if status in (409, 412):
        return "somebody else changed it at the same time; run it again."
    if status == 404:
        return "the Hub finds no such repository or branch (404)."
    if status is not None:
        return f"the Hub answers {_answered(error, status)}; try again later."
    return (
        f"the connection to {constants.ENDPOINT} broke ({one_line(error)}); "
        "run it again, files that have arrived are not sent twice."
    )
