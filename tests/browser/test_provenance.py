"""The tick before the first run, and the Verify tab."""

import pathlib
from typing import Any

import pytest

from reenact.media import read_image, write_image
from reenact.provenance.origin import Origin
from reenact.space import examples
from tests.browser.conftest import PATIENCE_MS
from tests.page_server import served_page

pytestmark = pytest.mark.browser


def test_consent_is_asked_once_and_files_are_verified(chromium: Any, tmp_path: pathlib.Path) -> None:
    marked = tmp_path / "marked.jpg"
    write_image(marked, read_image(examples.portraits()[1]).rgb, origin=Origin(watermark=True))
    with served_page(tmp_path / "page", consent=True) as address:
        tab = chromium.new_context().new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(f"{address}?tab=image")
        closed = tab.locator(".tabitem[inert]")
        closed.wait_for(state="attached")
        tab.get_by_label("Tick this to begin").check()
        closed.wait_for(state="detached")
        tab.goto(f"{address}?tab=verify")
        tab.get_by_label("Tick this to begin").and_(tab.locator(":checked")).wait_for()
        tab.locator(".without-consent input[type=file]").set_input_files(marked)
        tab.get_by_text("marked.jpg").wait_for()
        tab.get_by_role("button", name="Verify").click()
        tab.get_by_text("Made with reenact: its watermark is in the pixels; this is certain.").wait_for()
        tab.context.close()
