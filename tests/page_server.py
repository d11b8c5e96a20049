"""Serves the page, in the test process or as ``python app.py``."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def served_page(folder: pathlib.Path, **options: Any) -> Iterator[str]:
    """Serve the page inside a `with` block and yield its address.

    Args:
        folder: for uploads and results.
        options: of the host.
    """
    pytest.importorskip("gradio", reason="gradio is not installed")
    with pytest.MonkeyPatch.context() as patch:
        # read while the page is built
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        for name in ("GRADIO_SERVER_PORT", "GRADIO_SERVER_NAME", "GRADIO_ROOT_PATH", "GRADIO_SHARE"):
            patch.delenv(name, raising=False)
        from reenact.space.host.options import HostOptions
        from reenact.space.models import Models
        from reenact.space.page import build_page
        from reenact.space.service import Service
        from reenact.space.widgets.runs import Runs

        models, runs, host = Models(), Runs(), HostOptions(**options)
        page = build_page(models, host, runs=runs)
        service = Service(page, models, runs, host)
        service.launch(prevent_thread_lock=True, quiet=True)
        try:
            yield str(page.local_url)
        finally:
            service.stop()


@contextlib.contextmanager
def started_page(folder: pathlib.Path, *words: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Start ``python app.py WORDS`` in `folder` for a `with` block and yield its address."""
    variables = {key: value for key, value in (environment or os.environ).items() if not key.startswith("GRADIO_SER")}
    variables |= {"GRADIO_TEMP_DIR": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(REPOSITORY / "app.py"), *words]
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as app:
        assert app.stdout is not None
        kill = threading.Timer(120, app.kill)
        kill.start()
        try:
            said = ""
            for line in app.stdout:
                said += line
                if found := re.search(r"http://[\w.:]+", line):
                    break
            else:
                pytest.fail(f"app.py ended without serving a page:\n{said}")
            yield found.group()
        finally:
            kill.cancel()
            app.terminate()
            app.wait(timeout=30)


def left_over(folder: pathlib.Path) -> list[str]:
    """Result files that remain in `folder`."""
    return sorted(os.path.relpath(path, folder) for path in (folder / "results").rglob("*") if path.is_file())
