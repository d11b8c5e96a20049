"""Pictures that are drawn for a visitor, or for a program, to keep."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from reenact.space.answers import notes, result_folder, result_name, told

if TYPE_CHECKING:
    from reenact.pipeline import ImageResult


def saved_picture(
    draw: "Callable[[], ImageResult]", *, source: str, done: str, names: Mapping[str, str]
) -> tuple[str, str]:
    """Draw a picture at its full size and write it as PNG.

    Args:
        draw: gives the result.
        source: name of the source's file.
        done: what is done to it, for the file's name.
        names: as in `told`.

    Returns:
        Name of the file; notes.

    Raises:
        gr.Error: in place of any exception.
    """
    with told(names), result_folder() as folder:
        from reenact.media import write_image
        from reenact.pipeline.results import COMMENT

        begun = time.perf_counter()
        result = draw()
        seconds = time.perf_counter() - begun
        out = folder / result_name(source, ".png", done=done)
        write_image(out, result.rgb, alpha=result.alpha, comment=COMMENT)
    height, width = result.rgb.shape[:2]
    return str(out), notes(f"Done in {seconds:.1f} s: {width} × {height} pixels.", result.warnings, names)
