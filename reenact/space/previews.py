"""What the editor keeps on the server: the sources opened last, and the newest previews of each visitor.

Nothing a visitor did is needed to serve the next request: the browser sends source and sliders along, and a source that
is no longer held is opened again.
"""

import collections
import contextlib
import dataclasses
import pathlib
import shutil
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from reenact.space.answers import result_folder
from reenact.space.models import Models

if TYPE_CHECKING:
    from reenact.media import Picture
    from reenact.pipeline import ImageResult
    from reenact.pipeline.edit import EditSession

SYSTEM = "facegan"
"""The system that edits."""

_Key = tuple[Any, ...]


class Sources:
    """Edit sessions by the content of the source's file; visitors with the same file share one, which never changes."""

    def __init__(
        self, models: Models, *, capacity: int = 8, opened: "Callable[..., EditSession] | None" = None
    ) -> None:
        """None is open yet.

        Args:
            models: give the engine.
            capacity: sessions held; the one used longest ago is closed for a new one.
            opened: makes a session; `reenact.pipeline.edit.open_edit` if None.
        """
        self._models, self._capacity, self._opened = models, capacity, opened or _open_edit
        self._sessions: collections.OrderedDict[_Key, EditSession] = collections.OrderedDict()
        self._lock = threading.Lock()

    def open(self, source: str, *, face: int | None, paste_back: bool = True) -> "EditSession":
        """The session of a source, opened now or before.

        Args:
            source: name of the picture's file.
            face: which of several faces.
            paste_back: whether results are whole pictures.

        Raises:
            ReenactError: no face, no picture, or no weights.
        """
        key = (*_identity(source), face, paste_back)
        with self._lock:
            if key in self._sessions:
                self._sessions.move_to_end(key)
                return self._sessions[key]
        engine = self._models.engine(SYSTEM)
        session = self._opened(pathlib.Path(source), engine=engine, face=face, paste_back=paste_back)
        with self._lock:
            self._sessions[key] = session
            while len(self._sessions) > self._capacity:
                self._sessions.popitem(last=False)
        return session


class Pictures:
    """Background pictures for previews, read once and kept small."""

    def __init__(self, *, capacity: int = 8, longest_px: int = 1024) -> None:
        """None is read yet.

        Args:
            capacity: pictures held.
            longest_px: of a side.
        """
        self._capacity, self._longest_px = capacity, longest_px
        self._pictures: collections.OrderedDict[_Key, Picture] = collections.OrderedDict()
        self._lock = threading.Lock()

    def small(self, path: pathlib.Path) -> "Picture":
        """The picture, scaled down.

        Raises:
            ReenactError: it cannot be read.
        """
        import numpy as np

        from reenact.media import Picture, read_image

        key = _identity(str(path))
        with self._lock:
            if key not in self._pictures:
                rgb = read_image(path).rgb
                step = max(-(-max(rgb.shape[:2]) // self._longest_px), 1)
                self._pictures[key] = Picture(rgb=np.ascontiguousarray(rgb[::step, ::step]), alpha=None)
            self._pictures.move_to_end(key)
            while len(self._pictures) > self._capacity:
                self._pictures.popitem(last=False)
            return self._pictures[key]


@dataclasses.dataclass(kw_only=True)
class _Shown:
    folder: pathlib.Path
    still: _Key | None = None
    """What `before` shows."""
    before: str = ""
    after: collections.deque[pathlib.Path] = dataclasses.field(default_factory=collections.deque[pathlib.Path])
    count: int = 0


class Previews:
    """Preview files: a slider that is dragged makes ten a second, of which each visitor keeps the newest."""

    def __init__(self, *, kept: int = 6, visitors: int = 64) -> None:
        """There are none yet.

        Args:
            kept: newest previews of one visitor; the browser may still be loading the one before the last.
            visitors: of whom previews are kept.
        """
        self._kept, self._visitors = kept, visitors
        self._shown: collections.OrderedDict[str, _Shown] = collections.OrderedDict()
        self._lock = threading.Lock()

    def write(
        self, request: gr.Request | None, result: "ImageResult", source: str, face: int | None
    ) -> tuple[str, str]:
        """Write source and result of a preview.

        Args:
            request: tells visitors apart.
            result: of the preview.
            source: name of the source's file.
            face: which of its faces.

        Returns:
            Names of both files.
        """
        from reenact.media import write_image

        with self._lock:
            shown = self._of(_visitor(request))
            still = (*_identity(source), face)
            shown.count += 1
            if still != shown.still or not pathlib.Path(shown.before).is_file():
                before = shown.folder / f"{shown.count}-source.png"
                write_image(before, result.source)
                shown.still, shown.before = still, str(before)
            after = shown.folder / f"{shown.count}-preview.png"
            write_image(after, result.rgb, alpha=result.alpha)
            shown.after.append(after)
            while len(shown.after) > self._kept:
                shown.after.popleft().unlink(missing_ok=True)
            return shown.before, str(after)

    def forget(self, request: gr.Request | None) -> None:
        """Delete what a visitor who left has seen."""
        with self._lock:
            shown = self._shown.pop(_visitor(request), None)
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


def _identity(source: str) -> tuple[str, int, int]:
    """Of a file's content: gradio puts every upload into a folder named after its hash."""
    with contextlib.suppress(OSError):
        facts = pathlib.Path(source).stat()
        return source, facts.st_size, facts.st_mtime_ns
    return source, -1, -1


def _visitor(request: gr.Request | None) -> str:
    return getattr(request, "session_hash", None) or ""


def _open_edit(source: pathlib.Path, **options: Any) -> "EditSession":
    from reenact.pipeline.edit import open_edit

    return open_edit(source, **options)
