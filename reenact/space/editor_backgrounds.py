"""Background pictures of the editor's previews."""

import collections
import pathlib
import threading
from typing import TYPE_CHECKING, Any

from reenact.space.sources import content_of

if TYPE_CHECKING:
    from reenact.media import Picture


class Pictures:
    """Background pictures for previews, read once and kept small."""

    def __init__(self, *, capacity: int = 8, longest_px: int = 1024) -> None:
        """None is read yet.

        Args:
            capacity: pictures held.
            longest_px: of a side.
        """
        self._capacity, self._longest_px = capacity, longest_px
        self._pictures: collections.OrderedDict[tuple[Any, ...], Picture] = collections.OrderedDict()
        self._lock = threading.Lock()

    def small(self, path: pathlib.Path) -> "Picture":
        """The picture, scaled down.

        Raises:
            ReenactError: it cannot be read.
        """
        import numpy as np

        from reenact.media import Picture, read_image

        key = content_of(str(path))
        with self._lock:
            if key not in self._pictures:
                rgb = read_image(path).rgb
                step = max(-(-max(rgb.shape[:2]) // self._longest_px), 1)
                self._pictures[key] = Picture(rgb=np.ascontiguousarray(rgb[::step, ::step]), alpha=None)
            self._pictures.move_to_end(key)
            while len(self._pictures) > self._capacity:
                self._pictures.popitem(last=False)
            return self._pictures[key]
