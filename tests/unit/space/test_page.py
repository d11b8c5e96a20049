"""The page as it is built, without serving it."""

import pathlib
import subprocess
import sys
from typing import Any

import gradio as gr
import pytest

from reenact.space import examples
from reenact.space.models import Models
from reenact.space.page import build_page, launch_options


@pytest.fixture(scope="module")
def page() -> gr.Blocks:
    def load(system: str) -> Any:
        raise AssertionError("building the page loads nothing")

    return build_page(Models(load), editor=False, large_pose=False)


def labels(page: gr.Blocks) -> list[str]:
    return [label for block in page.blocks.values() if isinstance(label := getattr(block, "label", None), str)]


def test_inputs_are_labelled(page: gr.Blocks) -> None:
    assert {"Source picture", "Driving picture", "Driving clip", "Before and after", "Result", "Notes"} <= {
        *labels(page)
    }


def test_pictures_come_from_files_webcam_and_clipboard(page: gr.Blocks) -> None:
    pictures = [block for block in page.blocks.values() if isinstance(block, gr.Image)]
    assert len(pictures) == 3
    assert all(set(picture.sources) == {"upload", "webcam", "clipboard"} for picture in pictures)


def test_results_are_not_compressed_again(page: gr.Blocks) -> None:
    (slider,) = (block for block in page.blocks.values() if isinstance(block, gr.ImageSlider))
    assert slider.format == "png"


def test_nothing_is_kept_and_nobody_is_told() -> None:
    options = launch_options()
    assert options["run_history"] is False
    assert options["share"] is False


def test_old_files_are_deleted(page: gr.Blocks) -> None:
    every_s, after_s = page.delete_cache or (0, 0)
    assert every_s + after_s <= 5400  # what the About tab promises
    assert every_s > 0


def test_building_a_component_leaves_no_stub_file(page: gr.Blocks) -> None:
    assert list((pathlib.Path(__file__).resolve().parents[3] / "reenact").rglob("*.pyi")) == []


def test_examples_are_the_projects_own() -> None:
    assert [pathlib.Path(path).name for path in examples.portraits()] == ["astronaut.jpg"]
    for listed, suffix in ((examples.driving_pictures(), ".jpg"), (examples.driving_clips(), ".mp4")):
        motions = {path.stem for path in (examples.FOLDER / "motions").glob("*.json")}
        assert {pathlib.Path(path).stem.rpartition("-")[2] for path in listed} <= motions
        assert {pathlib.Path(path).suffix for path in listed} == {suffix}
        assert all(len(row) == 2 for row in examples.pairs(listed))


def test_page_is_built_before_the_networks_are_imported() -> None:
    """They take seconds, which the visitor's browser can use."""
    code = "import sys, app; sys.exit('torch' in sys.modules)"
    repository = pathlib.Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=repository, check=False).returncode == 0
