"""A real Chromium on the page, and what it must never do."""

import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.e2e.conftest import all_weights, astronaut, material, weights  # noqa: F401 - fixtures
from tests.page_server import served_page

CHROMIUM = os.environ.get("REENACT_CHROMIUM", "/usr/bin/chromium")
PATIENCE_MS = 120_000
"""For a machine that does other things too."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser, without any service of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"{CHROMIUM} is not installed (REENACT_CHROMIUM names another)")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_page(tmp_path_factory.mktemp("page"), max_seconds=60.0) as url:
        yield url


@pytest.fixture
def tab(chromium: Any, address: str) -> Iterator[Any]:
    """The page, open; afterwards: no error on the console, no request to another machine.

    gradio complains of its stream of events when the page is closed, and of every request when it is loaded again.
    """
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()
    complaints: list[str] = []
    elsewhere: list[str] = []
    opened: list[str] = []
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("framenavigated", lambda frame: opened.append(frame.url) if frame == tab.main_frame else None)
    tab.on("request", lambda request: None if _is_local(request.url) else elsewhere.append(request.url))
    tab.goto(address)
    yield tab
    usual = ("AbortError", "Unexpected error Connection errored out.") if len(opened) > 1 else "AbortError"
    context.close()
    assert elsewhere == []
    assert [text for text in complaints if not text.startswith(usual)] == []


@pytest.fixture(scope="session")
def wall(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A picture without a face."""
    from reenact.media import write_image

    path = tmp_path_factory.mktemp("wall") / "wall.png"
    write_image(path, np.full((300, 400, 3), 128, np.uint8))
    return path


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.hostname in ("127.0.0.1", "localhost")
