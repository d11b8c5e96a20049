"""What a visitor does with the editor: read the face, move sliders, rotate the head, download results."""

import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from reenact.media import VideoReader, read_image
from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_page import download, give, panel, wait_for_result

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.usefixtures("all_weights"),
]


def opened(tab: Any, picture: pathlib.Path) -> Any:
    """The editor, with a source."""
    part = panel(tab, "Editor")
    give(part, "Source picture", picture)
    part.get_by_role("button", name="Reset all").wait_for()
    shown(part).nth(1).wait_for()
    return part


@pytest.fixture
def part(tab: Any, material: pathlib.Path) -> Any:
    return opened(tab, material / "source.png")


def shown(part: Any) -> Any:
    """Source and preview."""
    label = part.page.get_by_test_id("block-label").filter(has_text="Before and after")
    return part.locator(".block").filter(has=label).locator("img")


def preview(part: Any, *, of: int = 1) -> np.ndarray:
    """What is shown, as pixels."""
    body = part.page.request.get(shown(part).nth(of).get_attribute("src")).body()
    return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)


def wait_for_preview(part: Any, old: str) -> None:
    part.page.wait_for_function(
        "([image, old]) => image.getAttribute('src') !== old",
        arg=[shown(part).nth(1).element_handle(), old],
        timeout=PATIENCE_MS,
    )


def redrawn(part: Any, act: Callable[[], Any]) -> np.ndarray:
    """The preview that follows."""
    old = shown(part).nth(1).get_attribute("src")
    act()
    wait_for_preview(part, old)
    part.page.wait_for_timeout(300)
    return preview(part)


def number(part: Any, label: str) -> Any:
    return part.get_by_label(f"number input for {label}")


def test_source_is_read_and_shown(tab: Any, part: Any) -> None:
    part.get_by_text("What the face does").wait_for()
    meter = part.get_by_role("meter", name="AU26 Mouth open (jaw drop)")
    assert float(meter.get_attribute("aria-valuenow")) == float(
        number(part, "AU26 Mouth open (jaw drop)").input_value()
    )
    assert np.array_equal(preview(part, of=0), preview(part))
    assert not part.get_by_label("number input for AU12 Smile, left").is_visible()
    part.get_by_label("Left and right apart").check()
    number(part, "AU12 Smile, left").wait_for()
    assert not number(part, "AU12 Smile (lip corner puller)").is_visible()


def test_slider_moves_the_face_and_goes_back(tab: Any, part: Any) -> None:
    source, label = preview(part), "AU26 Mouth open (jaw drop)"
    own = number(part, label).input_value()
    moved = redrawn(part, lambda: part.get_by_label(f"range slider for {label}").fill("4"))
    assert np.abs(moved.astype(int) - source).max() > 16
    slider = part.locator("#editor-slider-26")
    back = redrawn(part, lambda: slider.get_by_role("button", name="Reset to default value").click())
    assert number(part, label).input_value() == own
    assert np.array_equal(back, source)


def test_presets_and_views_change_the_face_and_reset_takes_them_back(tab: Any, part: Any) -> None:
    source, label = preview(part), "AU1 Inner brows up (inner brow raiser)"
    changed = redrawn(part, lambda: part.get_by_role("button", name="Surprise").click())
    assert np.abs(changed.astype(int) - source).max() > 16
    # a slider that the browser draws only now is reset to what the source does, too
    part.get_by_role("button", name=re.compile("^Brows")).click()
    assert float(number(part, label).input_value()) >= 4
    slider = part.locator("#editor-slider-1")
    redrawn(part, lambda: slider.get_by_role("button", name="Reset to default value").click())
    own = part.get_by_role("meter", name=label).get_attribute("aria-valuenow")
    assert number(part, label).input_value() == own
    profile = redrawn(part, lambda: part.get_by_role("button", name="90° →").click())
    assert number(part, "Turn (yaw)").input_value() == "90"
    assert np.abs(profile.astype(int) - source).mean() > 8
    back = redrawn(part, lambda: part.get_by_role("button", name="Reset all").click())
    assert np.array_equal(back, source)


def test_picture_and_settings_are_taken_home(
    tab: Any, part: Any, material: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    label = "AU26 Mouth open (jaw drop)"
    edited = redrawn(part, lambda: part.get_by_label(f"range slider for {label}").fill("4"))
    picture = download(part, "Save picture (PNG)", tmp_path)
    wait_for_result(part)
    assert picture.name == "source-edited.png"
    source, result = read_image(material / "source.png").rgb, read_image(picture).rgb
    assert result.shape == source.shape
    assert np.abs(result.astype(int) - source).max() > 16
    settings = download(part, "Save settings", tmp_path)
    assert json.loads(settings.read_text())["action_units"] == {"26": 4.0}
    redrawn(part, lambda: part.get_by_role("button", name="Reset all").click())
    load = part.locator("input[type=file][accept*='json']")
    again = redrawn(part, lambda: load.set_input_files(settings))
    assert number(part, label).input_value() == "4"
    assert np.array_equal(again, edited)


def test_background_is_taken_away_or_swapped(tab: Any, part: Any, wall: pathlib.Path) -> None:
    part.get_by_role("button", name=re.compile("^Background")).click()
    cut = redrawn(part, lambda: part.get_by_label("None: transparent").check())
    assert cut.shape[2] == 4
    assert cut[..., 3].min() < 255
    redrawn(part, lambda: part.get_by_label("A picture").check())
    swapped = redrawn(part, lambda: give(part, "Background picture", wall))
    behind = cut[..., 3] == 0
    assert behind.any()
    assert np.abs(swapped[behind][:, :3].astype(int) - 128).max() <= 2


def test_edit_becomes_a_clip(tab: Any, part: Any, tmp_path: pathlib.Path) -> None:
    redrawn(part, lambda: part.get_by_role("button", name="Smile").click())
    part.get_by_role("button", name="Clip ▼", exact=True).click()
    part.get_by_label("Turntable: from one profile to the other").check()
    part.get_by_label("range slider for Seconds").fill("0.5")
    part.get_by_role("button", name="Make the clip").click()
    wait_for_result(part)
    part.locator("video").first.wait_for()
    file = download(part, "Download the clip", tmp_path)
    assert file.name == "source-turntable.mp4"
    with VideoReader(file) as reader:
        assert len(list(reader)) == 12
        assert (reader.info.width, reader.info.height) == (512, 512)


def test_picture_without_a_face_gets_a_message_and_no_sliders(tab: Any, part: Any, wall: pathlib.Path) -> None:
    part.get_by_role("button", name="Remove Image").first.click()
    give(part, "Source picture", wall)
    tab.get_by_text(re.compile("The source picture: No face found")).first.wait_for()
    assert not part.get_by_role("button", name="Reset all").is_visible()


def test_editor_fits_on_a_phone(tab: Any, material: pathlib.Path) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.reload()
    part = opened(tab, material / "source.png")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.get_by_role("tab", name="About").is_visible()
    part.locator("#editor-slider-26").scroll_into_view_if_needed()
    assert -1 <= shown(part).nth(1).bounding_box()["y"] < 300  # stays in sight


def test_refresh_keeps_the_edit(tab: Any, part: Any) -> None:
    label = "AU26 Mouth open (jaw drop)"
    moved = redrawn(part, lambda: part.get_by_label(f"range slider for {label}").fill("4"))
    tab.reload()
    part = tab.get_by_role("tabpanel").filter(visible=True)
    part.get_by_role("button", name="Reset all").wait_for()
    shown(part).nth(1).wait_for()
    assert number(part, label).input_value() == "4"
    assert np.array_equal(preview(part), moved)


def test_key_frames_come_from_the_sliders_and_become_a_clip(tab: Any, part: Any, tmp_path: pathlib.Path) -> None:
    part.get_by_role("button", name="Clip ▼", exact=True).click()
    part.get_by_label("Key frames", exact=True).check()
    part.get_by_label("Time of this face (s)").fill("0.2")
    redrawn(part, lambda: part.get_by_role("button", name="Smile", exact=True).click())
    part.get_by_role("button", name="Add this face").click()
    tab.wait_for_function("/\\b0\\.2\\b/.test(document.body.innerText)", timeout=PATIENCE_MS)
    saved = download(part, "Save key frames", tmp_path)
    keys = json.loads(saved.read_text())
    assert [frame["time_s"] for frame in keys["frames"]] == [0, 0.2, 0.8, 1.6]
    (tmp_path / "short.json").write_text(json.dumps(keys | {"frames": keys["frames"][:2]}))
    give_button(part, "Load key frames", tmp_path / "short.json")
    tab.wait_for_function("!document.body.innerText.includes('12=3.5 25=1.5')", timeout=PATIENCE_MS)
    assert not part.get_by_label("range slider for Seconds").is_visible()
    part.get_by_role("button", name="Make the clip").click()
    button = part.get_by_role("button", name="Download the clip")
    tab.wait_for_function("button => !button.disabled", arg=button.element_handle(), timeout=PATIENCE_MS)
    with VideoReader(download(part, "Download the clip", tmp_path)) as reader:
        assert len(list(reader)) == 6


def test_a_face_is_copied_onto_the_sliders(part: Any, material: pathlib.Path) -> None:
    surprised = pathlib.Path(__file__).resolve().parents[2] / "examples" / "driving" / "actor-surprise.jpg"
    before = float(number(part, "AU26 Mouth open (jaw drop)").input_value())
    changed = redrawn(part, lambda: give_button(part, "Copy a face", surprised))
    assert float(number(part, "AU26 Mouth open (jaw drop)").input_value()) > max(before, 1.5)
    assert not np.array_equal(changed, preview(part, of=0))


def give_button(part: Any, name: str, file: pathlib.Path) -> None:
    """Choose a file after a click on an upload button."""
    with part.page.expect_file_chooser() as chooser:
        part.get_by_role("button", name=name).click()
    chooser.value.set_files(file)
