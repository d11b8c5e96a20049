"""What a visitor does with large poses: turn a head, take picture and turntable home, see which system drew."""

import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from reenact.media import VideoReader, read_image
from tests.browser.test_editor import number, preview, redrawn, shown
from tests.browser.test_page import download, give, notes, panel, wait_for_result
from tests.page_server import served_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),  # gradio asks pandas for it
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, turning: Callable[[str], Any]) -> Iterator[str]:
    with served_page(tmp_path_factory.mktemp("page"), load=turning, editor=True, large_pose=True) as url:
        yield url


def opened(tab: Any, picture: pathlib.Path) -> Any:
    """The head pose tab, with a source."""
    part = panel(tab, "Head pose")
    give(part, "Source picture", picture)
    part.get_by_role("button", name="Reset all").wait_for()
    shown(part).nth(1).wait_for()
    return part


def test_head_is_turned_and_taken_home(tab: Any, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    part = opened(tab, material / "source.png")
    source, own = preview(part), number(part, "Turn (yaw)").input_value()
    assert part.get_by_role("meter", name="Turn (yaw)").get_attribute("aria-valuenow") == own
    profile = redrawn(part, lambda: part.get_by_role("button", name="90° →").click())
    assert number(part, "Turn (yaw)").input_value() == "90"
    assert np.abs(profile.astype(int) - source).mean() > 8
    picture = download(part, "Save picture (PNG)", tmp_path)
    wait_for_result(part)
    assert picture.name == "source-turned.png"
    assert read_image(picture).rgb.shape == read_image(material / "source.png").rgb.shape
    slider = part.locator("#pose-slider-yaw")
    back = redrawn(part, lambda: slider.get_by_role("button", name="Reset to default value").click())
    assert number(part, "Turn (yaw)").input_value() == own
    assert np.array_equal(back, source)


def test_turntable_is_shown_and_downloaded(tab: Any, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    part = opened(tab, material / "source.png")
    part.get_by_label("range slider for Seconds").fill("0.5")
    part.get_by_role("button", name="Turntable", exact=True).last.click()
    wait_for_result(part)
    part.locator("video").first.wait_for()
    file = download(part, "Download the clip", tmp_path)
    assert file.name == "source-turntable.mp4"
    with VideoReader(file) as reader:
        assert len(list(reader)) == 12


def test_picture_without_a_face_gets_a_message_and_no_sliders(tab: Any, wall: pathlib.Path) -> None:
    part = panel(tab, "Head pose")
    give(part, "Source picture", wall)
    tab.get_by_text(re.compile("The source picture: No face found")).wait_for()
    assert not part.get_by_role("button", name="Reset all").is_visible()


def test_visitor_chooses_who_draws_and_reads_who_did(tab: Any, material: pathlib.Path) -> None:
    part = panel(tab, "Image")
    give(part, "Source picture", material / "source.png")
    give(part, "Driving picture", material / "driving.png")
    for mode, said in (("Automatic", "Correspondence (standard): no face"), ("Large pose", "Dual Generator (large")):
        part.get_by_label(mode, exact=True).check()
        part.get_by_role("button", name="Reenact", exact=True).click()
        tab.wait_for_function(
            "([box, said]) => box.value.includes('Drawn by ' + said)", arg=[notes(part).element_handle(), said]
        )
    assert panel(tab, "Video").get_by_label("Large pose", exact=True).is_visible()


def test_all_tabs_and_the_head_pose_fit_on_a_phone(tab: Any, material: pathlib.Path) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.reload()
    part = opened(tab, material / "source.png")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.get_by_role("tab", name="About").is_visible()
    part.locator("#pose-slider-roll").scroll_into_view_if_needed()
    redrawn(part, lambda: part.get_by_label("range slider for Turn (yaw)").fill("-60"))
    assert -1 <= shown(part).nth(1).bounding_box()["y"] < 300  # stays in sight
