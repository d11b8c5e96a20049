"""What links set on the page, and the code of the panel "Embed"."""

import ast
import json
import subprocess
from typing import Any

import gradio as gr
import pytest

from reenact.space.embedding import is_embedded
from reenact.space.models import Models
from reenact.space.snippets import CURL, KINDS, LINK, MCP, PYTHON, Call, snippet
from reenact.space.video_tab import VideoTab
from reenact.space.widgets.linked import Linked
from reenact.space.widgets.remembered import Remembered
from reenact.space.widgets.runs import Runs
from reenact.space.widgets.share_part import SharePart


@pytest.fixture(scope="module")
def tab() -> Remembered:
    with gr.Blocks():
        return VideoTab(Models(), Runs()).build()


@pytest.fixture(scope="module")
def linked(tab: Remembered) -> Linked:
    assert tab.linked is not None
    return tab.linked


def read(linked: Linked, query: str) -> dict[str, Any]:
    names = {component: name for name, component in linked.components.items()}
    return {names[component]: value for component, value in linked.read(query).items()}


def test_a_link_sets_what_its_settings_can_be(linked: Linked) -> None:
    query = "?embed=1&tab=video&system=facegan&strength=1.5&regions=lips,eyes&fps=12&neutralise=true&begin=0:01"
    expected = {"system": "facegan", "strength": 1.5, "regions": ["lips", "eyes"], "fps": 12, "neutralise": True}
    assert read(linked, query) == expected | {"begin": "0:01"}


@pytest.mark.parametrize(
    "query",
    ["system=other", "strength=9", "strength=nan", "strength=", "fps=11", "regions=nose", "neutralise=2"]
    + ["mode=large_pose", "source=/etc/passwd", "template=/etc/passwd", "x" * 5000 + "&fps=12"],
)
def test_a_link_sets_nothing_else(linked: Linked, query: str) -> None:
    assert read(linked, query) == {}


def test_a_link_comes_before_what_the_browser_kept(tab: Remembered) -> None:
    system = next(each for each in tab.components if each.label == "System")
    kept = json.dumps([tab.layout.value, *(each.value for each in tab.components)])
    assert tab.restored(kept)[tab.components.index(system)] == "auto"
    assert tab.restored(kept, "?system=facegan")[tab.components.index(system)] == "facegan"


def test_the_panel_names_the_settings_that_differ(linked: Linked) -> None:
    with gr.Blocks():
        part = SharePart({"video": linked})
    values = {name: each.value for name, each in linked.components.items()}
    assert part.call("http://here", "about", *values.values()).settings == {}
    values |= {"driver": "nod", "quality": 50, "strength": float("nan")}
    call = part.call("http://here", "video", *values.values())
    assert call.settings == {"driver": "nod", "quality": 50}
    assert call.files == {"source": "portrait.jpg", "driving": None}


CALL = Call(
    "http://127.0.0.1:7860",
    "video",
    "reenact_video",
    {"source": "portrait.jpg", "driving": None},
    {"driver": "nod", "regions": ["lips"], "neutralise": True},
)


def test_code_is_well_formed(linked: Linked) -> None:
    code = {kind: snippet(kind, CALL)[0] for kind in KINDS}
    ast.parse(code[PYTHON])
    assert "regions=['lips']" in code[PYTHON] and "driving=None" in code[PYTHON]
    assert json.loads(code[MCP])["mcpServers"]["reenact"]["url"] == "http://127.0.0.1:7860/gradio_api/mcp/"
    assert read(linked, code[LINK].partition("?")[2]) == CALL.settings
    checked = subprocess.run(["bash", "-n"], input=code[CURL], text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_only_the_address_decides_about_the_frame() -> None:
    assert is_embedded(b"tab=video&embed=1")
    assert not is_embedded(b"embed=0&tab=embed=1") and not is_embedded(b"")
