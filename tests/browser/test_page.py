"""What a visitor does: give pictures, run, see the result, take it home."""

import functools
import http.server
import io
import pathlib
import re
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reenact.media import VideoReader, read_image
from tests.browser.conftest import PATIENCE_MS
from tests.e2e.conftest import swayed, write_clip

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
]


def panel(tab: Any, name: str) -> Any:
    """The open tab's own part of the page."""
    tab.get_by_role("tab", name=name).click()
    return tab.get_by_role("tabpanel").filter(visible=True)


def give(part: Any, label: str, path: pathlib.Path, *, shown: bool = True) -> None:
    """Choose a file for the input of that label, and wait until it is there."""
    block = part.locator(".block").filter(has=part.page.get_by_test_id("block-label").filter(has_text=label))
    block.locator("input[type=file]").set_input_files(path)
    block.locator("img, video").first.wait_for(state="visible" if shown else "attached")


def notes(part: Any) -> Any:
    return part.get_by_label("Notes")


def wait_for_result(part: Any) -> None:
    part.page.wait_for_function(
        "box => box.value.startsWith('Done in')", arg=notes(part).element_handle(), timeout=120_000
    )


def wait_until_kept(part: Any, name: str, file: str) -> None:
    """The browser keeps values a moment after it shows them; a refresh in between loses them."""
    kept = "([name, file]) => (sessionStorage.getItem('reenact ' + name) || '').includes(file)"
    part.page.wait_for_function(kept, arg=[name, file], timeout=120_000)


def download(part: Any, name: str, folder: pathlib.Path) -> pathlib.Path:
    button = part.get_by_role("button", name=name)
    with part.page.expect_download() as caught:
        button.click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def test_visitor_sees_what_it_is_and_what_to_do(tab: Any) -> None:
    tab.get_by_role("heading", name="Reenact").wait_for()
    assert tab.title() == "Reenact"
    part = panel(tab, "Image")
    part.get_by_role("button", name="Reenact", exact=True).click()
    tab.get_by_text("There is no source picture yet").wait_for()
    assert panel(tab, "Video").get_by_text("Clips may last up to 60 seconds; longer motions are cut.").is_visible()
    about = panel(tab, "About")
    about.get_by_text("Privacy.").wait_for()
    about.get_by_text(re.compile("Correspondence: (not loaded yet|embedded, sha256)")).wait_for()


@pytest.mark.usefixtures("all_weights")
def test_picture_changes_and_can_be_downloaded(tab: Any, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    part = panel(tab, "Image")
    give(part, "Source picture", material / "source.png")
    give(part, "Driving picture", material / "driving.png")
    for system, said in (("Dual Generator: ", "Dual Generator, as chosen"), ("Automatic: ", "Correspondence: no face")):
        part.get_by_label("System").click()
        tab.get_by_role("option", name=re.compile(system)).first.click()
        part.get_by_role("button", name="Reenact", exact=True).click()
        tab.wait_for_function(
            "([box, said]) => box.value.includes('Drawn by ' + said)", arg=[notes(part).element_handle(), said]
        )
    shown = part.locator(".block").filter(has=tab.get_by_test_id("block-label").filter(has_text="Before and after"))
    shown.locator("img").nth(1).wait_for()
    before, after = (shown.locator("img").nth(i).get_attribute("src") for i in (0, 1))
    assert before != after
    tab.wait_for_function("image => image.naturalWidth < 512", arg=shown.locator("img").nth(1).element_handle())
    part.get_by_label("The whole picture").check()
    tab.wait_for_function(
        "([image, old]) => image.src !== old && image.naturalWidth === 512",
        arg=[shown.locator("img").nth(1).element_handle(), after],
    )
    file = download(part, "Download the result", tmp_path)
    source, result = read_image(material / "source.png").rgb, read_image(file).rgb
    assert file.name == "source-reenacted.png"
    assert result.shape == source.shape
    assert np.abs(result[60:180, 170:280].astype(int) - source[60:180, 170:280]).mean() > 4
    # the same on the Video tab
    assert panel(tab, "Video").get_by_label("System").is_visible()


@pytest.mark.usefixtures("all_weights")
def test_example_runs_when_clicked_and_a_wall_gets_a_message(tab: Any, wall: pathlib.Path) -> None:
    part = panel(tab, "Image")
    # opening the options and leaving them as they are changes nothing
    part.get_by_role("button", name="Options").click()
    part.get_by_text("Same as the driver").wait_for()
    part.get_by_role("button", name="Motion: talk").click()
    wait_for_result(part)
    part.get_by_role("button", name="Remove Image").first.click()
    give(part, "Source picture", wall)
    part.get_by_role("button", name="Reenact", exact=True).click()
    tab.get_by_text(re.compile("The source picture: No face found")).first.wait_for()
    # the last result stays, as its download does
    assert not part.locator("[data-testid='status-tracker'] > .error").first.is_visible()


@pytest.mark.usefixtures("all_weights")
def test_a_person_who_does_not_exist_is_made_and_moved(tab: Any) -> None:
    part = panel(tab, "Image")
    part.get_by_role("button", name="Make a person who does not exist").click()
    part.locator("img[src*='person-']").first.wait_for()
    part.get_by_role("button", name="Motion: talk").click()
    wait_for_result(part)


def test_unreadable_files_are_refused_when_they_are_given(
    tab: Any, material: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """They were taken without a word."""
    (tmp_path / "letter.jpg").write_text("To whom it may concern")
    picture = io.BytesIO()
    Image.open(material / "source.png").convert("RGB").save(picture, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(picture.getvalue()[:6000])
    (tmp_path / "letter.mp4").write_text("To whom it may concern")
    for name, label, file, said in (
        ("Image", "Source picture", "cut.jpg", "begins like a picture but cannot be decoded: it is truncated"),
        ("Image", "Driving picture", "letter.jpg", "holds text, not a picture"),
        ("Video", "Driving clip", "letter.mp4", "holds text, not a"),
        ("Compare", "Source picture", "letter.jpg", "holds text, not a picture"),
    ):
        part = panel(tab, name)
        block = part.locator(".block").filter(has=tab.get_by_test_id("block-label").filter(has_text=label))
        block.locator("input[type=file]").set_input_files(tmp_path / file)
        tab.wait_for_function("([box, said]) => box.value.includes(said)", arg=[notes(part).element_handle(), said])
        assert notes(part).input_value().startswith(f"The {label.lower()}")
        block.get_by_text("Drop").first.wait_for()


@pytest.mark.usefixtures("all_weights")
def test_clip_is_played_and_can_be_downloaded(tab: Any, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    part = panel(tab, "Video")
    give(part, "Source picture", material / "source.png")
    give(part, "Driving clip", material / "driving.mp4")
    part.get_by_role("button", name="Reenact the clip").click()
    wait_for_result(part)
    shown = part.locator(".block").filter(has=tab.get_by_test_id("block-label").filter(has_text="Result"))
    player = shown.locator("video").first
    player.wait_for()
    tab.wait_for_function("video => video.readyState >= 2 && video.videoWidth === 512", arg=player.element_handle())
    file = download(part, "Download the result", tmp_path)
    with VideoReader(file) as reader:
        assert len(list(reader)) == 12
        assert reader.info.fps == 25


@pytest.mark.usefixtures("all_weights")
def test_stop_ends_a_clip_without_alarm(tab: Any, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    frames = [swayed(read_image(material / "source.png").rgb, 3 * np.sin(i / 9), 0) for i in range(50)] * 12
    part = panel(tab, "Video")
    give(part, "Source picture", material / "source.png")
    give(part, "Driving clip", write_clip(tmp_path / "long.mp4", frames))
    part.get_by_role("button", name="Reenact the clip").click()
    part.get_by_text(re.compile("Drawing")).first.wait_for()
    # every text of the notes counts: an event that followed once emptied them again
    tab.evaluate(
        """box => {
          window.said = [box.value];
          setInterval(() => box.value !== window.said.at(-1) && window.said.push(box.value), 10);
        }""",
        notes(part).element_handle(),
    )
    part.get_by_role("button", name="Stop").click()
    tab.wait_for_function("window.said.at(-1).startsWith('Stopped')")
    tab.wait_for_timeout(1000)
    assert tab.evaluate("window.said") == ["", "Stopped; nothing was written."]
    assert tab.get_by_test_id("toast-body").count() == 0


@pytest.mark.usefixtures("all_weights")
def test_a_run_goes_on_while_the_page_is_loaded_again(tab: Any, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """It was dropped without a word."""
    frames = [swayed(read_image(material / "source.png").rgb, 3 * np.sin(i / 9), 0) for i in range(80)]
    part = panel(tab, "Video")
    give(part, "Source picture", material / "source.png")
    give(part, "Driving clip", write_clip(tmp_path / "long.mp4", frames))
    for ended_by in ("result", "stop"):
        part.get_by_role("button", name="Reenact the clip").click()
        part.get_by_text(re.compile("Drawing")).first.wait_for()
        tab.reload()
        part = tab.get_by_role("tabpanel").filter(visible=True)
        sync_api.expect(notes(part)).to_have_value(re.compile("^The run goes on"), timeout=PATIENCE_MS)
        if ended_by == "result":
            wait_for_result(part)
            with VideoReader(download(part, "Download the result", tmp_path)) as reader:
                assert len(list(reader)) == 80
        else:
            part.get_by_role("button", name="Stop").click()
            tab.wait_for_function("box => box.value.startsWith('Stopped')", arg=notes(part).element_handle())
    tab.wait_for_function("sessionStorage.getItem('reenact-resume-video') === null")
    # a server that knows nothing of the run says so
    tab.evaluate("sessionStorage.setItem('reenact-resume-video', 'nobody')")
    tab.reload()
    part = tab.get_by_role("tabpanel").filter(visible=True)
    sync_api.expect(notes(part)).to_have_value(re.compile("Start it again"), timeout=PATIENCE_MS)


@pytest.mark.usefixtures("all_weights")
def test_refresh_keeps_tab_inputs_and_result(tab: Any, address: str, material: pathlib.Path) -> None:
    tab.goto(f"{address}?tab=video")
    part = tab.get_by_role("tabpanel").filter(visible=True)
    part.get_by_role("button", name="Reenact the clip").click()
    tab.wait_for_function("box => box.value.startsWith('There is no')", arg=notes(part).element_handle())
    part = panel(tab, "Image")
    tab.wait_for_url("**/?tab=image")
    give(part, "Source picture", material / "source.png")
    give(part, "Driving picture", material / "driving.png")
    part.get_by_role("button", name="Reenact", exact=True).click()
    wait_for_result(part)
    text = notes(part).input_value()
    wait_until_kept(part, "image", "source-reenacted.png")
    tab.reload()
    part = tab.get_by_role("tabpanel").filter(visible=True)
    tab.wait_for_function("([box, text]) => box.value === text", arg=[notes(part).element_handle(), text])
    assert part.locator("img").count() >= 4  # source, driver and the pair
    assert download(part, "Download the result", material).name == "source-reenacted.png"


@pytest.mark.usefixtures("all_weights")
def test_comparison_of_a_clip_survives_a_refresh(tab: Any, material: pathlib.Path) -> None:
    part = panel(tab, "Compare")
    give(part, "Source picture", material / "source.png")
    part.get_by_label("Clip", exact=True).check()
    give(part, "Driving clip", material / "driving.mp4")
    for system in ("FACEGAN", "Dual Generator"):
        part.get_by_label(system).uncheck()
    part.get_by_role("button", name="Compare", exact=True).click()
    wait_for_result(part)
    wait_until_kept(part, "compare", "source-compared.mp4")
    tab.reload()
    part = tab.get_by_role("tabpanel").filter(visible=True)
    part.get_by_role("cell", name="best fidelity, pose and expression").wait_for()
    assert part.get_by_role("cell", name="FACEGAN").count() == 0
    assert part.get_by_label("Correspondence").is_checked()
    assert not part.get_by_label("FACEGAN").is_checked()
    player = part.locator(".block").filter(has=tab.get_by_test_id("block-label").filter(has_text="Side by side"))
    tab.wait_for_function("video => video.videoWidth > 512", arg=player.locator("video").element_handle())
    assert download(part, "Download the result", material).name == "source-compared.mp4"


@pytest.mark.usefixtures("all_weights")
def test_a_clip_is_the_source_and_the_square_is_shown(tab: Any, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    part = panel(tab, "Image")
    give(part, "Source picture", material / "source.png")
    part.get_by_role("button", name=re.compile("^Crop")).click()
    part.get_by_role("button", name="Show the square").click()
    shown = part.locator(".block").filter(has=tab.get_by_test_id("block-label").filter(has_text="The square around"))
    shown.locator("img").first.wait_for()
    part = panel(tab, "Video")
    assert not part.get_by_test_id("block-label").filter(has_text="Source clip").is_visible()
    part.get_by_label("Clip", exact=True).check()
    give(part, "Source clip", material / "driving.mp4")
    give(part, "Driving clip", material / "driving.mp4")
    part.get_by_role("button", name="What is driven").click()
    part.get_by_label("Everything").uncheck()
    part.get_by_label("Lips").first.check()
    part.get_by_role("button", name="Reenact the clip").click()
    wait_for_result(part)
    file = download(part, "Download the result", tmp_path)
    with VideoReader(file) as reader:
        assert (len(list(reader)), reader.info.fps) == (12, 25)


@pytest.mark.usefixtures("all_weights")
def test_another_page_shows_single_tabs(tab: Any, address: str) -> None:
    folder = pathlib.Path(__file__).parents[2] / "examples" / "embed"
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        tab.goto(f"http://127.0.0.1:{host.server_port}/?server={address.rstrip('/')}")
        frame, component = tab.frame_locator("iframe"), tab.locator("gradio-app")
        frame.get_by_role("button", name="Motion: talk").click()
        component.get_by_role("button", name="Reenact the clip").wait_for()
        # a link's settings are there, and nothing of the rest of the page
        combobox = component.get_by_role("combobox", name="System")
        sync_api.expect(combobox).to_have_value(re.compile("^FACEGAN"), timeout=PATIENCE_MS)
        for shown in (frame, component):
            assert not shown.get_by_role("heading", name="Reenact").is_visible()
            assert shown.get_by_role("tab").filter(visible=True).count() == 0
            assert shown.get_by_text("Embed").filter(visible=True).count() == 0
            assert shown.get_by_text("people who agreed to it.").filter(visible=True).count() == 1
        assert tab.locator(".gradio-container.dark, .dark .gradio-container").count() == 1
        done = frame.get_by_role("tabpanel").filter(visible=True).get_by_label("Notes")
        sync_api.expect(done).to_have_value(re.compile("^Done in"), timeout=PATIENCE_MS)
        host.shutdown()


def test_example_clips_play_under_the_pointer_and_rest_at_their_middle(tab: Any) -> None:
    """Their first frames show the same neutral face; at rest they have to be told apart."""
    part = panel(tab, "Video")
    smile = part.get_by_role("button", name="Motion: smile")
    clip = smile.locator("video")
    tab.wait_for_function("clip => clip.paused && clip.currentTime > 0.3 * clip.duration", arg=clip.element_handle())
    smile.hover()
    tab.wait_for_function("clip => !clip.paused", arg=clip.element_handle())
    part.get_by_text("Example motions").hover()
    tab.wait_for_function(
        "clip => clip.paused && Math.abs(clip.currentTime - clip.duration / 2) < 0.1", arg=clip.element_handle()
    )


def test_on_a_phone_the_result_comes_right_after_the_button(tab: Any) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    for name, label in (("Image", "Reenact"), ("Video", "Reenact the clip"), ("Compare", "Compare")):
        part = panel(tab, name)
        run = part.get_by_role("button", name=label, exact=True)
        parts = (run, part.get_by_role("button", name="Download the result"), part.get_by_text("Example portraits"))
        places = [each.bounding_box() for each in parts]
        assert [each["y"] for each in places] == sorted(each["y"] for each in places), name
        assert places[1]["y"] - places[0]["y"] < 800, "within one screen"
