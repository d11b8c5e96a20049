"""The page for people who do not see it, or use no mouse."""

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from reenact.media import read_image
from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_page import notes, panel, wait_for_result

pytestmark = [pytest.mark.browser, pytest.mark.slow]
GRADIOS = {
    # the header of a message folds it, and holds the button that closes it; both work with the keyboard
    ("nested-interactive", "toast-header"),
}
"""Rule and element of violations that are gradio's own and cannot be mended from here."""
TABS = ("Image", "Video", "Editor", "Compare", "Verify", "About")


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, whose rules are those of WCAG and good practice."""
    module = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return pathlib.Path(str(module.__file__)).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(params=["light", "dark", "phone"])
def look(request: pytest.FixtureRequest, chromium: Any, address: str) -> Iterator[Any]:
    """The page in both themes, and on a phone."""
    is_phone = request.param == "phone"
    context = chromium.new_context(
        viewport={"width": 390, "height": 844} if is_phone else {"width": 1280, "height": 900},
        color_scheme="dark" if request.param == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()
    tab.goto(address)
    yield tab
    context.close()


def violations(tab: Any, axe: str) -> list[str]:
    """What axe-core calls moderate, serious or critical, a line for each element."""
    tab.wait_for_timeout(1000)  # what appears or opens has faint colours at first
    tab.evaluate(axe)
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{each['impact']} {each['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for each in found
        if each["impact"] != "minor"
        for node in each["nodes"]
        if not any(each["id"] == rule and part in node["html"] for rule, part in GRADIOS)
    ]


def open_all(part: Any) -> None:
    """Open the parts of a tab that are closed at first."""
    closed = part.locator("button.label-wrap:not(.open)")
    while closed.count():
        closed.first.click()


@pytest.mark.usefixtures("all_weights")
def test_no_tab_violates_a_rule_of_accessibility(look: Any, axe: str) -> None:
    look.get_by_role("heading", name="Reenact").wait_for()
    found = list[str]()
    for name in TABS:
        part = panel(look, name)
        open_all(part)
        found += violations(look, axe)
    # the editor with a face, a refusal, and a result
    part = panel(look, "Editor")
    part.get_by_role("button", name=re.compile("^Portrait")).first.click()
    part.locator(".reading").wait_for()
    found += violations(look, axe)
    panel(look, "Video").get_by_role("button", name="Reenact the clip").click()
    look.get_by_test_id("toast-body").wait_for()
    found += violations(look, axe)
    part = panel(look, "Image")
    part.get_by_role("button", name="Motion: talk").click()
    wait_for_result(part)
    found += violations(look, axe)
    assert not found, "\n".join(found)


def tab_to(tab: Any, name: str, *, back: bool = False) -> Any:
    """Press Tab until the element of that name has the focus, which must be seen; returns the element."""
    for _ in range(80):
        tab.keyboard.press("Shift+Tab" if back else "Tab")
        focused = tab.evaluate_handle("document.activeElement").as_element()
        if tab.evaluate("each => (each.ariaLabel || each.textContent).trim()", focused) == name:
            marks = tab.evaluate(
                "each => [getComputedStyle(each).outlineStyle, each.matches(':focus-visible')]", focused
            )
            assert marks[0] != "none" and marks[1], f"the focus on {name} is not seen"
            return focused
    pytest.fail(f"Tab does not reach {name!r}")


@pytest.mark.usefixtures("all_weights")
def test_a_picture_is_reenacted_with_the_keyboard_alone(tab: Any, tmp_path: pathlib.Path) -> None:
    tab.get_by_role("heading", name="Reenact").wait_for()
    part = tab.get_by_role("tabpanel").filter(visible=True)
    tab_to(tab, "Portrait: woman of 23")
    tab.keyboard.press("Enter")
    part.get_by_role("button", name="Remove Image").first.wait_for()
    tab_to(tab, "Motion: smile")
    tab.keyboard.press("Enter")
    wait_for_result(part)
    # another system, by the arrows, and the button that runs
    tab_to(tab, "System", back=True)
    tab.get_by_role("option", name=re.compile("^FACEGAN")).wait_for()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        tab.keyboard.press(key)
        tab.wait_for_timeout(300)  # the list follows
    tab_to(tab, "Reenact")
    tab.keyboard.press("Space")
    tab.wait_for_function("box => box.value.includes('FACEGAN, as chosen')", arg=notes(part).element_handle())
    tab_to(tab, "Download the result")
    with tab.expect_download() as caught:
        tab.keyboard.press("Enter")
    caught.value.save_as(tmp_path / "result.png")
    assert read_image(tmp_path / "result.png").rgb.shape[2] == 3
