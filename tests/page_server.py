"""The page, served inside the test's own process."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest


@contextlib.contextmanager
def served_page(folder: pathlib.Path, **options: Any) -> Iterator[str]:
    """The page's address while the block lasts; uploads and results lie in `folder`. `options`: of `build_page`."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    with pytest.MonkeyPatch.context() as patch:
        # the page reads it while it is built
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        for name in ("GRADIO_SERVER_PORT", "GRADIO_SERVER_NAME", "GRADIO_ROOT_PATH", "GRADIO_SHARE"):
            patch.delenv(name, raising=False)
        from reenact.space.models import Models
        from reenact.space.page import build_page, launch_options

        page = build_page(Models(), **options)
        page.launch(prevent_thread_lock=True, quiet=True, **launch_options())
        try:
            yield str(page.local_url)
        finally:
            page.close(verbose=False)


def left_over(folder: pathlib.Path) -> list[str]:
    """Files of runs in `folder`."""
    return sorted(os.path.relpath(path, folder) for path in (folder / "results").rglob("*") if path.is_file())
