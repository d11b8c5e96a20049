"""Preview files: the newest of each visitor."""

import collections
import dataclasses
import pathlib
import shutil
import threading
from typing import TYPE_CHECKING, Any

import gradio as gr

from reenact.space.answers import result_folder
from reenact.space.sources import content_of

if TYPE_CHECKING:
    from reenact.pipeline import ImageResult


@dataclasses.dataclass(kw_only=True)
class _Shown:
    folder: pathlib.Path
    still: tuple[Any, ...] | None = None
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
            still = (*content_of(source), face)
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


def _visitor(request: gr.Request | None) -> str:
    return getattr(request, "session_hash", None) or ""
