"""``reenact download``, ``reenact push``, ``reenact publish``, ``reenact card``: checkpoints and the Hub."""

import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from reenact.cli.output import notes, report
from reenact.errors import OutputError

if TYPE_CHECKING:
    from reenact.hub.publish import Plan
    from reenact.hub.push import Parcel, Pushed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Download:
    """Fetch a checkpoint from the Hub, check it, and print its folder."""

    name: Positional[str]
    """owner/name, owner/name@revision, or with --owner a short name such as correspondence or perception-tracker."""
    owner: str | None = None
    """Whose published weights a short name means: NAME/reenact-correspondence."""
    revision: str | None = None
    """Branch, tag or commit; the main branch unless given."""
    out: pathlib.Path | None = None
    """Folder to write to; the Hub's cache unless given."""

    def run(self) -> None:
        """Do it."""
        from reenact.hub.checkpoint import read_checkpoint
        from reenact.hub.names import download, repository

        _quiet_unless_watched()
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
    """owner/name; created if it is not there."""
    private: bool = False
    """Create it so that only its owner can see it."""
    revision: str | None = None
    """Branch to upload to, created if it is not there; main unless given."""
    message: str | None = None
    """Of the commit."""
    dry_run: bool = False
    """Check everything, print what would be uploaded, and stop."""

    def run(self) -> None:
        """Do it."""
        from reenact.hub.push import pack, push

        _quiet_unless_watched()
        if self.dry_run:
            parcel = pack(self.folder, self.repo)
            print(_listed(parcel), end="\n\n")
            print(parcel.card, end="")
            return
        with _told_to_run_again():
            done = push(self.folder, self.repo, private=self.private, revision=self.revision, message=self.message)
        report(_told(done), done.notes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Publish:
    """Upload all trained systems, the perception networks and the face model, and collect them on one page."""

    owner: str
    """User or organisation; the repositories are called OWNER/reenact-correspondence and so on."""
    private: bool = False
    """Create repositories and collection so that only their owner can see them."""
    collection: str = "Reenact: face reenactment"
    """Title of the collection."""
    checkpoints: pathlib.Path | None = None
    """Folder of checkpoints; the project's own unless given."""
    dry_run: bool = False
    """Check everything, print what would be uploaded, and stop."""

    def run(self) -> None:
        """Do it."""
        from reenact.hub.publish import check_title, plan, publish

        _quiet_unless_watched()
        check_title(self.collection)
        planned = plan(self.owner, self.checkpoints)
        if self.dry_run:
            self._show(planned)
            failed = planned.unfit
        else:
            with _told_to_run_again():
                done = publish(
                    planned, self.owner, private=self.private, title=self.collection, done=lambda one: print(_told(one))
                )
            failed = done.failed
            if done.collection_url is not None:
                print(f"Collection: {done.collection_url}")
            notes([f"{one.repo}: {note}" for one in done.pushed for note in one.notes])
        if planned.absent:
            print(f"Not trained yet, so not published: {', '.join(planned.absent)}")
        if failed:
            sys.stdout.flush()
            told = [text if name in text else f"{name}: {text}" for name, text in failed.items()]
            raise OutputError(f"{len(failed)} failed, the rest is done. {' '.join(told)}")

    def _show(self, planned: "Plan") -> None:
        for parcel in planned.parcels:
            print(_listed(parcel))
        print(f"Collection: {self.collection}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WriteCard:
    """Write the model card (README.md) of a checkpoint from its config.json."""

    folder: Positional[pathlib.Path]
    """With config.json and model.safetensors."""
    licence: Annotated[str, arg(aliases=["--license"])] = "apache-2.0"
    """Terms on which the weights are given away, as the Hub spells them."""
    overwrite: bool = False
    """Replace a card that was written by hand."""

    def run(self) -> None:
        """Do it."""
        from reenact.hub.written_card import write_card

        print(write_card(self.folder, licence=self.licence, overwrite=self.overwrite))


@contextlib.contextmanager
def _told_to_run_again() -> Iterator[None]:
    """Ctrl-C in the middle of an upload: what is on the Hub already stays there."""
    try:
        yield
    except KeyboardInterrupt as error:
        sys.stdout.flush()
        raise OutputError("Stopped; run it again to go on, what has arrived is not sent twice.") from error


def _quiet_unless_watched() -> None:
    """Without the Hub's progress bars where nobody looks on."""
    if not sys.stderr.isatty():
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()


def _told(done: "Pushed") -> str:
    return f"{done.url}: commit {done.commit}" + ("" if done.changed else " (unchanged)")


def _listed(parcel: "Parcel") -> str:
    sizes = [f"  {name}: {parcel.size_bytes(name):,} bytes" for name in parcel.files]
    return "\n".join([parcel.repo, *sizes])
