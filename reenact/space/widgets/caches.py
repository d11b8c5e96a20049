"""What the page keeps in memory and on disk for its visitors: open sources, background pictures, preview files.

No request depends on an earlier one: the browser sends source and sliders every time, and what is no longer kept is
opened or written again.
"""

import collections
import contextlib
import dataclasses
import pathlib
import shutil
import threading
import zlib
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import gradio as gr

from reenact.provenance.origin import SYNTHETIC, Origin
from reenact.space.models import Models
from reenact.space.widgets.answers import result_folder
from reenact.space.widgets.runs import visitor_of
from reenact.space.widgets.settings import Request

if TYPE_CHECKING:
    from reenact.media import Picture
    from reenact.pipeline.controls.session import EditSession
    from reenact.pipeline.results import ImageResult

Item = TypeVar("Item")


class Recent(Generic[Item]):
    """The items used last, limited by number and by size; may be shared between threads."""

    def __init__(
        self, capacity: int = 8, *, size: Callable[[Item], int] = lambda _: 0, most_bytes: int = 600_000_000
    ) -> None:
        """Nothing is kept yet.

        Args:
            capacity: items kept at most.
            size: bytes of an item.
            most_bytes: of all items; the one used last is kept whatever its size.
        """
        self._capacity, self._size, self._most_bytes = capacity, size, most_bytes
        self._items: collections.OrderedDict[Hashable, Item] = collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Item]) -> Item:
        """The item of a key, made now if it is not kept. Nothing is kept if `make` fails."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        item = make()
        with self._lock:
            self._items[key] = item
            while len(self._items) > 1 and self._is_full():
                self._items.popitem(last=False)
        return item

    def _is_full(self) -> bool:
        return len(self._items) > self._capacity or sum(map(self._size, self._items.values())) > self._most_bytes


def content_of(path: str) -> Hashable:
    """A key for a file's content. It is cheap, because gradio puts every upload into a folder named after its hash."""
    with contextlib.suppress(OSError):
        facts = pathlib.Path(path).stat()
        return path, facts.st_size, facts.st_mtime_ns
    return path


class Sessions:
    """Open sources. Visitors with the same file share a session, which never changes."""

    def __init__(self, models: Models, open_session: "Callable[..., EditSession] | None" = None) -> None:
        """Nothing is open yet; `open_session` is `open_edit` if None."""
        self._models, self._open = models, open_session or _open_edit
        self._sessions: Recent[EditSession] = Recent(size=lambda session: session.nbytes)

    def open(self, given: Request) -> "EditSession":
        """The session of a source, opened now or before.

        Raises:
            ReenactError: no face, no picture, or no weights.
        """
        options = {"face": given.face, "paste_back": given.paste_back, "system": given.system}
        return self._sessions.get(
            (content_of(given.source), *options.values()),
            lambda: self._open(pathlib.Path(given.source), engines=self._models.engine, **options),
        )


def _open_edit(source: pathlib.Path, **options: Any) -> "EditSession":
    from reenact.pipeline.controls.session import open_edit

    return open_edit(source, **options)


def small_picture(path: pathlib.Path, *, longest_px: int = 1024) -> "Picture":
    """Read a background picture for previews, scaled down.

    Raises:
        ReenactError: it cannot be read.
    """
    import numpy as np

    from reenact.media import Picture, read_image

    rgb = read_image(path).rgb
    step = max(-(-max(rgb.shape[:2]) // longest_px), 1)
    return Picture(rgb=np.ascontiguousarray(rgb[::step, ::step]), alpha=None)


@dataclasses.dataclass(kw_only=True)
class _Shown:
    """Preview files of one visitor."""

    folder: pathlib.Path
    source: int | None = None
    """Checksum of the pixels in `before`."""
    before: str = ""
    after: collections.deque[pathlib.Path] = dataclasses.field(default_factory=collections.deque[pathlib.Path])
    count: int = 0


class Previews:
    """Preview files. A dragged slider makes ten a second; the newest of each visitor are kept."""

    def __init__(self, origin: Origin = SYNTHETIC, *, kept: int = 6, visitors: int = 64) -> None:
        """Nothing is written yet.

        Args:
            origin: what the files say of where they come from; they are not signed.
            kept: previews of one visitor. The browser may still be loading the last but one.
            visitors: visitors whose previews are kept.
        """
        self._origin = dataclasses.replace(origin, signer=None)
        self._kept, self._visitors = kept, visitors
        self._shown: collections.OrderedDict[str, _Shown] = collections.OrderedDict()
        self._lock = threading.Lock()

    def write(self, request: gr.Request | None, result: "ImageResult") -> tuple[str, str]:
        """Write source and result of a preview.

        Returns:
            Paths of both files.
        """
        from reenact.media import write_image
        from reenact.pipeline.results import origin_of

        with self._lock:
            shown, source = self._of(visitor_of(request)), zlib.crc32(result.source.tobytes())
            shown.count += 1
            if source != shown.source or not pathlib.Path(shown.before).is_file():
                before = shown.folder / f"{shown.count}-source.png"
                write_image(before, result.source)
                shown.source, shown.before = source, str(before)
            after = shown.folder / f"{shown.count}-preview.png"
            write_image(after, result.rgb, alpha=result.alpha, origin=origin_of(result, self._origin))
            shown.after.append(after)
            while len(shown.after) > self._kept:
                shown.after.popleft().unlink(missing_ok=True)
            return shown.before, str(after)

    def forget(self, request: gr.Request | None) -> None:
        """Delete the previews of a visitor who left."""
        with self._lock:
            shown = self._shown.pop(visitor_of(request), None)
        if shown is not None:
            shutil.rmtree(shown.folder, ignore_errors=True)

    def _of(self, visitor: str) -> _Shown:
        known = self._shown.get(visitor)
        if known is None or not known.folder.is_dir():
            with result_folder() as folder:
                known = self._shown[visitor] = _Shown(folder=folder)
        self._shown.move_to_end(visitor)
        while len(self._shown) > self._visitors:
            _, oldest = self._shown.popitem(last=False)
            shutil.rmtree(oldest.folder, ignore_errors=True)
        return known
