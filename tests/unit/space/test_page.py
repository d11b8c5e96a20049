"""The page as it is built, without serving it, and the options of the host."""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import gradio as gr
import pytest

import app
from reenact.errors import CheckpointError, ConfigError
from reenact.media import Trim
from reenact.pipeline.motions.library import LIBRARY, SUFFIX
from reenact.provenance.origin import Origin
from reenact.space import examples
from reenact.space.head import with_own_tags
from reenact.space.host.options import HostOptions, add_options, host_options
from reenact.space.models import Models
from reenact.space.page import build_page
from reenact.space.service import Service
from reenact.space.widgets.clip_limits import ClipLimits
from reenact.space.widgets.runs import Clock, Runs

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def build(**options: Any) -> gr.Blocks:
    return build_page(Models(lambda system: pytest.fail("building loads nothing")), HostOptions(**options))


@pytest.fixture(scope="module")
def page() -> gr.Blocks:
    return build()


def labels(page: gr.Blocks, kind: type = gr.blocks.Block) -> list[Any]:
    return [getattr(block, "label", None) for block in page.blocks.values() if isinstance(block, kind)]


def test_inputs_are_labelled_and_come_from_files_webcam_and_clipboard(page: gr.Blocks) -> None:
    shown = {"Source picture", "Driving picture", "Driving clip", "Before and after", "Result", "Notes"}
    assert shown <= {*labels(page)}
    pictures = [each for each in page.blocks.values() if isinstance(each, gr.Image) and each.label.endswith("picture")]
    assert len(pictures) == 7
    assert all(set(picture.sources) == {"upload", "webcam", "clipboard"} for picture in pictures)
    # results are not compressed again
    assert {each.format for each in page.blocks.values() if isinstance(each, gr.ImageSlider)} == {"png"}


def test_no_history_is_kept_and_nothing_is_shared() -> None:
    options = Service(build(), Models(), Runs(), HostOptions()).launch_options()
    assert options["run_history"] is False
    assert options["share"] is False


def test_building_a_component_leaves_no_stub_file(page: gr.Blocks) -> None:
    assert list((REPOSITORY / "reenact").rglob("*.pyi")) == []


@pytest.mark.parametrize("installed", [True, False])
def test_large_poses_and_the_editor_are_offered_where_their_weights_are_installed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    for system in ("correspondence", "facegan", "dual_generator")[: 3 if installed else 1]:
        (tmp_path / system).mkdir()
        (tmp_path / system / "model.safetensors").touch()
    monkeypatch.setattr("reenact.systems.catalog.EMBEDDED", tmp_path)
    page = build()
    systems = [each for each in page.blocks.values() if isinstance(each, gr.Dropdown) and each.label == "System"]
    public = {each.api_name for each in page.fns.values() if each.api_visibility == "public" and each.api_name}
    assert labels(page, gr.Tab) == ["Image", "Video", *["Editor"] * installed, "Compare", "Verify", "About"]
    assert ["dual_generator" in dict(each.choices).values() for each in systems[:2]] == [installed, installed]
    assert public == {"reenact_image", "reenact_video", "record_motion", "compare", "stop", "verify"} | (
        {"edit", "edit_clip", "turntable", "keyframes"} if installed else set()
    )


def test_limit_of_the_host_is_shown_and_holds_for_clips_that_declare_less() -> None:
    texts = [each.value for each in build(max_seconds=2.0).blocks.values() if isinstance(each, gr.Markdown)]
    assert "Clips may last up to 2 seconds; longer motions are cut." in texts
    report = ClipLimits(2.0).reporter(Clock(), gr.Progress(), Fraction(10))
    report(20, 0, "frames")
    with pytest.raises(gr.Error, match="longer than it declares; this page takes clips of up to 2 s"):
        report(25, 0, "frames")


def test_limit_counts_the_part_that_is_used_and_cuts_motions() -> None:
    limits = ClipLimits(1.0)
    driver, nod = examples.driving_clips()[0], str(LIBRARY / f"nod{SUFFIX}")
    short, late = Trim(end_s=Fraction(2, 5)), Trim(begin_s=Fraction(1, 2))
    assert limits.check_driver(driver, short) == limits.check_driver(nod, None) == 25
    for trim in (None, late):
        with pytest.raises(gr.Error, match="up to 1 s. Choose a shorter part with “Driver from” and “Driver to”"):
            limits.check_driver(driver, trim)
    assert limits.cut_motions([driver, nod], short) == (short, "")
    assert limits.cut_motions([driver], late) == (late, "")
    cut, note = limits.cut_motions([driver, nod], late)
    assert cut == Trim(begin_s=Fraction(1, 2), end_s=Fraction(3, 2))
    assert note.startswith("Note: The motion was cut to 1 s")


def test_limit_holds_for_the_clips_of_the_editor() -> None:
    limits = ClipLimits(1.0)
    limits.check_length(1.0)
    with pytest.raises(gr.Error, match="set to 5 s; this page makes clips of up to 1 s"):
        limits.check_length(5)
    page = build(max_seconds=1.0)
    lengths = [each for each in page.blocks.values() if isinstance(each, gr.Slider) and each.label == "Seconds"]
    assert [(each.minimum, each.maximum, each.value) for each in lengths] == [(0.5, 1.0, 1.0)]


def test_examples_are_the_projects_own() -> None:
    sources = [pathlib.Path(path).name for path in examples.portraits()]
    credit = (REPOSITORY / "examples" / "README.md").read_text(encoding="utf-8")
    assert len(sources) == 8 and all(f"`portraits/{name}`" in credit for name in sources)
    for listed, suffix in ((examples.driving_pictures(), ".jpg"), (examples.driving_clips(), ".mp4")):
        motions = {path.stem for path in (examples.FOLDER / "motions").glob("*.json")}
        assert {pathlib.Path(path).stem.rpartition("-")[2] for path in listed} <= motions
        assert {pathlib.Path(path).suffix for path in listed} == {suffix}
    files = [pathlib.Path(path).name for path in (*examples.portraits(), *examples.driving_pictures())]
    assert {*files} < {*examples.labels()}
    assert {*examples.labels().values()} >= {"Motion: talk", "Portrait: woman of 89", "Portrait: astronaut"}


def test_example_motions_are_told_apart_by_their_pictures(page: gr.Blocks) -> None:
    shown = [each for each in page.blocks.values() if isinstance(each, gr.Dataset) and "motions" in each.label]
    suffixes = [{pathlib.Path(path).suffix for (path,) in each.raw_samples} for each in shown]
    assert suffixes == [{".jpg"}, {".mp4"}, {".jpg"}]
    pictures, clips = examples.driving_pictures(), examples.driving_clips()
    assert [pathlib.Path(path).stem for path in pictures] == [pathlib.Path(path).stem for path in clips]


def test_shared_links_show_the_projects_own_tags() -> None:
    tags = with_own_tags('<html><head><meta property="og:title" content="Gradio" /><meta name="twitter:card" /></head>')
    assert "Gradio" not in tags and "twitter" not in tags
    assert '<meta property="og:title" content="Reenact" />' in tags


def test_page_is_built_before_the_networks_are_imported() -> None:
    """They take seconds, which the visitor's browser can use."""
    code = "import sys, app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Facts of the page that `app.main` builds; it is not served, and no weights are loaded."""
    facts: dict[str, Any] = {}

    class Recorded(Models):
        def __init__(self, **options: Any) -> None:
            super().__init__(self.refuse, **options)
            facts.update(options)

        def refuse(self, system: str, checkpoint: str | None = None) -> Any:
            raise CheckpointError(f"No repository {checkpoint} on the Hub")

        def warm_up(self) -> list[Any]:
            return []

    class Page:
        def __init__(self, page: object, models: object, runs: object, options: HostOptions) -> None:
            facts["host"] = options

        def launch(self, **options: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        def stop(self) -> None:
            facts["stopped"] = True

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(app, "Models", Recorded)
    monkeypatch.setattr(app, "Service", Page)
    monkeypatch.setattr(app, "start_log", lambda **_: None)
    for name in [name for name in os.environ if name.startswith("REENACT_")]:
        monkeypatch.delenv(name)
    yield facts
    for number, handler in before.items():
        signal.signal(number, handler)


def test_options_of_the_host_have_variables_and_the_command_line_wins(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    app.main([])
    expected = {"weights": {}, "require": False, "restore": None, "offered": None, "host": HostOptions()}
    assert started == expected | {"stopped": True, "origin": Origin(watermark=True)}
    for name, value in {
        "WEIGHTS": "correspondence=anna/faces@v1, facegan=anna/edits",
        "MAX_SECONDS": "30",
        "QUEUE": "5",
        "METRICS": "1",
        "MCP": "0",
        "SYSTEMS": "correspondence facegan",
        "API_KEYS": "one two",
        "LOGIN": "anna:secret:er",
        "NO_WATERMARK": "1",
        "LABEL": "AI-generated",
    }.items():
        monkeypatch.setenv(f"REENACT_{name}", value)
    app.main(["--weights", "correspondence=anna/other", "--queue", "7", "--behind-proxy"])
    assert started["weights"] == {"correspondence": "anna/other", "facegan": "anna/edits"}
    systems = ("correspondence", "facegan")
    assert started["offered"] == systems
    assert started["origin"] == Origin(label="AI-generated")
    assert started["host"] == HostOptions(
        max_seconds=30.0,
        queue=7,
        metrics=True,
        no_watermark=True,
        label="AI-generated",
        behind_proxy=True,
        systems=systems,
        api_keys=("one", "two"),
        logins=(("anna", "secret:er"),),
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--weights", "anna/faces"], "Error: Weights are set to 'anna/faces'; write SYSTEM="),
        (["--weights", "facegan=anna/a", "--require-weights"], "Error: No repository anna/a on the Hub"),
        (["--max-seconds", "-5"], "Error: --max-seconds takes a number above 0, got '-5'."),
        (["--runs-per-hour", "1.5"], "Error: --runs-per-hour takes a whole number above 0, got '1.5'."),
        (["--systems", "facegan"], "Error: The systems are set to facegan; correspondence is always needed"),
    ],
)
def test_page_that_cannot_be_served_as_the_host_wants_ends_with_one_line(
    started: dict[str, Any], capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        app.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["MAX_SECONDS", "MAX_MEGAPIXELS", "MAX_MEGABYTES", "RUNS_PER_HOUR", "QUEUE"])
def test_variables_with_a_wrong_number_are_named(name: str) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    with pytest.raises(ConfigError, match=f"^REENACT_{name} takes a .*number above 0, got 'abc'"):
        host_options(parser.parse_args([]), {f"REENACT_{name}": "abc"})
