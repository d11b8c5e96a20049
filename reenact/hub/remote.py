"""The Hub: what is fetched from it, how long it is waited for, and its errors in words.

Everything goes through huggingface_hub's client, so that its settings hold: HF_ENDPOINT (a mirror), HF_TOKEN or
``hf auth login``, HF_HUB_OFFLINE, HF_HOME and HF_HUB_CACHE (where downloads lie).
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
from huggingface_hub import constants

from reenact.errors import CheckpointError, ConfigError, OutputError

PATIENCE_S = 120.0
"""How long the Hub may make a command wait in all when it says that there were too many requests."""
FIRST_PAUSE_S = 5.0
"""Where the Hub does not say how long to wait. In any case the n-th pause takes 2^n s at least."""

_REPO_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3})")
_log = logging.getLogger("reenact.hub")
_errors = huggingface_hub.errors
T = TypeVar("T")


def split_name(text: str) -> tuple[str, str | None] | None:
    """Repository and revision of "owner/name" or "owner/name@revision"; None if the text has another form."""
    repo, at, revision = text.partition("@")
    if not _REPO_NAME.fullmatch(repo) or (at and not revision):
        return None
    return repo, revision or None


def check_repo_name(repo: str) -> None:
    """Refuse what the Hub would refuse as a name.

    Raises:
        ConfigError: not of the form owner/name, too long, or with -- or .. in it.
    """
    try:
        huggingface_hub.utils.validate_repo_id(repo)
    except _errors.HFValidationError:
        valid = False
    else:
        valid = bool(_REPO_NAME.fullmatch(repo))
    if not valid:
        raise ConfigError(
            f"{repo!r} is no name of a repository; write owner/name with letters, digits, -, _ and . "
            "(at most 96 characters, no -- or ..)."
        )


def fetch(
    repo: str,
    revision: str | None,
    patterns: list[str],
    folder: pathlib.Path | None = None,
    *,
    where: str | None = None,
) -> pathlib.Path:
    """Fetch files of a repository into the Hub's cache or a folder; what is there already is not fetched again.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; the main branch if None.
        patterns: names of files; nothing else of the repository is fetched.
        folder: where to; the cache if None.
        where: what is fetched, for the error; repository and revision if None.

    Raises:
        CheckpointError: the text says what the Hub, the connection or the cache lacks.
    """
    if where is None:
        where = f"{repo} (revision {revision})" if revision else repo
    try:
        fetched = patiently(
            lambda: huggingface_hub.snapshot_download(
                repo, revision=revision, allow_patterns=patterns, local_dir=folder
            )
        )
    except (_errors.HTTPError, _errors.HFValidationError, OSError, RuntimeError) as error:
        raise CheckpointError(_why_not_read(error, repo, where)) from error
    return pathlib.Path(fetched)


def files_of(repo: str, commit: str) -> list[str]:
    """Names of all files of a commit that `fetch` has seen; empty if it is not known."""
    try:
        tree = huggingface_hub.get_cached_repo_tree(repo, revision=commit)
    except (_errors.CachedRepoTreeNotFoundError, OSError):
        return []
    return [file.path for file in tree]


def patiently(call: Callable[[], T]) -> T:
    """What `call` gives; called again where the Hub answers 429, after the pause that it asks for.

    Gives up, with the Hub's error, where the pauses would take longer than `PATIENCE_S`.
    """
    waited_s, tries = 0.0, 0
    while True:
        try:
            return call()
        except (_errors.HfHubHTTPError, _errors.LocalEntryNotFoundError) as error:
            if _status(error) != 429:
                raise
            asked_s = _asked_pause_s(error)
            rest_s = max(FIRST_PAUSE_S if asked_s is None else asked_s, 2.0**tries)
            if waited_s + rest_s > PATIENCE_S:
                raise
            _log.warning("The Hub answers 429 (too many requests); trying again in %.0f s.", rest_s)
            time.sleep(rest_s)
            waited_s, tries = waited_s + rest_s, tries + 1


def _asked_pause_s(error: BaseException) -> float | None:
    """Seconds by Retry-After (a number or a date) or by the Hub's own RateLimit header."""
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


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _answer(error: BaseException) -> "huggingface_hub.errors.HfHubHTTPError | None":
    return next((link for link in _chain(error) if isinstance(link, _errors.HfHubHTTPError)), None)


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an error, be it of the Hub or of its storage."""
    answer = _answer(error)
    if answer is not None:
        return answer.response.status_code
    found = _XET_STATUS.search(str(error))
    return int(found[1]) if found else None


def one_line(error: BaseException) -> str:
    """The error's text on one line, at most 200 characters, without a full stop at its end."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def _answered(error: BaseException, status: int) -> str:
    """The status, with what the Hub says about it."""
    if status == 429:
        asked_s = _asked_pause_s(error)
        return "429 (too many requests)" + (f" and wants {asked_s:.0f} s of rest" if asked_s is not None else "")
    answer = _answer(error)
    said = answer.server_message if answer is not None else None
    return f"{status} ({' '.join(said.split())[:200].rstrip('.')})" if said else str(status)


def _token_text() -> str:
    return f"the token in HF_TOKEN or of `hf auth login` (tokens: {constants.ENDPOINT}/settings/tokens)"


def _why_not_read(error: Exception, repo: str, where: str) -> str:
    status, chain = _status(error), list(_chain(error))
    offline = any(isinstance(link, _errors.OfflineModeIsEnabled) for link in chain)
    if isinstance(error, _errors.RevisionNotFoundError):
        return f"{where}: no such revision on the Hub; check the branches and tags of {repo}."
    if isinstance(error, _errors.GatedRepoError):
        return f"{where} is gated; accept its terms on the Hub and run `hf auth login`."
    if status == 401 and huggingface_hub.get_token():
        return f"The Hub did not let {where} be read: it does not know {_token_text()}, or there is no such repository."
    if status in (401, 403, 404):
        return (
            f"No repository {where} on the Hub, or it is private and needs a token with read access; "
            "check the name, or run `hf auth login`."
        )
    if offline or (status is None and isinstance(error, _errors.LocalEntryNotFoundError)):
        return (
            f"{where} is not, or not wholly, in the local cache and the Hub cannot be reached ({constants.ENDPOINT}); "
            f"go online (and unset HF_HUB_OFFLINE), or run `hf download {repo} --local-dir DIR` elsewhere and give DIR."
        )
    if status is not None:
        return f"{where} could not be downloaded: the Hub answers {_answered(error, status)}; try again later."
    return f"{where} could not be downloaded: {one_line(error)}; nothing half was kept, run it again."


@contextlib.contextmanager
def writing(what: str, owner: str) -> Iterator[None]:
    """Turn what goes wrong while the block writes to the Hub into an `OutputError` that says what is needed.

    Args:
        what: repository or collection, for the text.
        owner: whose it is.
    """
    try:
        yield
    except (_errors.HTTPError, _errors.HFValidationError, OSError, RuntimeError, json.JSONDecodeError) as error:
        raise OutputError(_why_not_written(error, what, owner)) from error
    except ValueError as error:  # the Hub's own check of the card
        raise OutputError(f"{what} could not be written: {one_line(error)}; mend it and run it again.") from error


def _why_not_written(error: Exception, what: str, owner: str) -> str:
    status = _status(error)
    if any(isinstance(link, _errors.OfflineModeIsEnabled) for link in _chain(error)):
        return f"{what} could not be written: HF_HUB_OFFLINE is set; unset it."
    if isinstance(error, _errors.LocalTokenNotFoundError):
        return (
            f"{what} could not be written: no token of the Hub is known here; make one with write scope at "
            f"{constants.ENDPOINT}/settings/tokens, then run `hf auth login` or set HF_TOKEN."
        )
    if status == 401:
        return (
            f"{what} could not be written: the Hub does not accept {_token_text()}; "
            "make one with write scope and run `hf auth login`, or set HF_TOKEN."
        )
    if status == 403:
        return (
            f"{what} could not be written: the token has no write access to {owner}; use one with write scope "
            f"(fine-grained: write access to the repositories of {owner}) from {constants.ENDPOINT}/settings/tokens."
        )
    if status in (409, 412):
        return f"{what} could not be written: somebody else changed it at the same time; run it again."
    if status == 404:
        return f"{what} could not be written: the Hub finds no such repository or branch (404)."
    if status is not None:
        return f"{what} could not be written: the Hub answers {_answered(error, status)}; try again later."
    return (
        f"{what} could not be written: the connection to {constants.ENDPOINT} broke ({one_line(error)}); "
        "run it again, what has arrived is not sent twice."
    )
