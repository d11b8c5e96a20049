"""``reenact download``, ``push``, ``publish`` and ``card``: checkpoints, the page, and the Hub."""

import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from reenact.cli.output import notes, report
from reenact.errors import ConfigError, Hint, OutputError

if TYPE_CHECKING:
    from reenact.hub.push import Pushed, Upload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Download:
    """Fetch a checkpoint from the Hub, check it, and print its folder."""

    name: Positional[str]
    """owner/name, owner/name@revision, or with --owner a short name such as correspondence or perception-tracker."""
    owner: str | None = None
    """Owner of the published weights that a short name means: NAME/reenact-correspondence."""
    revision: str | None = None
    """Branch, tag or commit; the main branch unless given."""
    out: pathlib.Path | None = None
    """Folder to write to; the Hub's cache unless given."""

    def run(self) -> None:
        from reenact.hub.checkpoint import read_checkpoint
        from reenact.hub.names import download, repository

        _hide_bars_in_logs()
        repo, revision = repository(self.name, self.owner)
        folder = download(repo, self.revision or revision, self.out)
        read_checkpoint(folder)
        print(folder)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Push:
    """Check a checkpoint, then upload it with its model card to a repository on the Hub."""

    folder: Positional[pathlib.Path]
    """With config.json, model.safetensors and README.md (the model card)."""
    repo: str
    """owner/name; created if missing."""
    private: bool = False
    """Create it so that only its owner can see it."""
    revision: str | None = None
    """Branch to upload to, created if missing; main unless given."""
    message: str | None = None
    """Of the commit."""
    dry_run: bool = False
    """Check everything, print what would be uploaded, and stop."""

    def run(self) -> None:
        from reenact.hub.push import prepare_checkpoint, push

        _hide_bars_in_logs()
        if self.dry_run:
            upload = prepare_checkpoint(self.folder, self.repo)
            print(_listed(upload), end="\n\n")
            print(upload.card, end="")
            return
        with _resumable():
            done = push(self.folder, self.repo, private=self.private, revision=self.revision, message=self.message)
        report(_line(done), done.notes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Publish:
    """Upload all trained systems, perception networks and the face model (--owner), or the page (--space)."""

    owner: str | None = None
    """User or organisation; the repositories are called OWNER/reenact-correspondence and so on."""
    space: str | None = None
    """owner/name of a Space that gets the page, as it is committed in this clone."""
    private: bool = False
    """Create repositories, collection and Space so that only their owner can see them."""
    collection: str = "Reenact: face reenactment"
    """Title of the collection of all repositories."""
    checkpoints: pathlib.Path | None = None
    """Folder of checkpoints; the embedded ones unless given."""
    dry_run: bool = False
    """Check everything, print what would be uploaded, and stop."""

    def run(self) -> None:
        if self.owner is None and self.space is None:
            raise ConfigError("Nothing to publish; name the owner of the weights, or a Space.", hint=Hint.OWNER)
        _hide_bars_in_logs()
        if self.space is not None:
            self._publish_space(self.space)
        if self.owner is not None:
            self._publish_weights(self.owner)

    def _publish_space(self, space: str) -> None:
        from reenact.hub.push import check_token, prepare_space, send

        upload = prepare_space(space)
        if self.dry_run:
            print(_listed(upload))
            return
        with _resumable():
            check_token(space, upload.owner)
            done = send(upload, private=self.private)
        report(_line(done), done.notes)

    def _publish_weights(self, owner: str) -> None:
        from reenact.hub.push import Pushed, check_title, prepare_all, send_all

        check_title(self.collection)
        uploads, failed = prepare_all(owner, self.checkpoints)
        if self.dry_run:
            print("\n".join([*map(_listed, uploads), f"Collection: {self.collection}"]))
        else:
            pushed: list[Pushed] = []

            def done(one: Pushed) -> None:
                print(_line(one))
                pushed.append(one)

            with _resumable():
                address, refused = send_all(uploads, owner, private=self.private, title=self.collection, done=done)
            failed |= refused
            if address is not None:
                print(f"Collection: {address}")
            notes([f"{one.repo}: {note}" for one in pushed for note in one.notes])
        if failed:
            sys.stdout.flush()
            texts = [text if name in text else f"{name}: {text}" for name, text in failed.items()]
            raise OutputError(f"{len(failed)} failed, the rest is done. {' '.join(texts)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WriteCard:
    """Write the model card (README.md) of a checkpoint from its config.json."""

    folder: Positional[pathlib.Path]
    """With config.json and model.safetensors."""
    licence: Annotated[str, arg(aliases=["--license"])] = "apache-2.0"
    """Licence of the weights, in the Hub's spelling."""
    overwrite: bool = False
    """Replace a card that was written by hand."""

    def run(self) -> None:
        from reenact.hub.card import write_card

        print(write_card(self.folder, licence=self.licence, overwrite=self.overwrite))


@contextlib.contextmanager
def _resumable() -> Iterator[None]:
    """Say after Ctrl-C that the upload can be continued."""
    try:
        yield
    except KeyboardInterrupt as error:
        sys.stdout.flush()
        raise OutputError("Stopped; run it again to continue, files that have arrived are not sent twice.") from error


def _hide_bars_in_logs() -> None:
    """No progress bars unless a person watches."""
    if not sys.stderr.isatty():
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()


def _line(done: "Pushed") -> str:
    return f"{done.url}: commit {done.commit}" + ("" if done.changed else " (unchanged)")


def _listed(upload: "Upload") -> str:
    sizes = [f"  {name}: {upload.size_bytes(name):,} bytes" for name in upload.files]
    return "\n".join([upload.repo, *sizes])
