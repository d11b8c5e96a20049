"""What a host can limit, and what of the server is reached from outside."""

import asyncio
import json
import logging
import pathlib
import pickle
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio.context import LocalContext

from reenact.errors import ConfigError, StoppedError
from reenact.media import write_image
from reenact.media.output import PartialFile
from reenact.space.host.gate import Gate
from reenact.space.host.logs import JsonLog, PlainLog
from reenact.space.host.metrics import Metrics
from reenact.space.host.options import HostOptions
from reenact.space.host.sweeping import Sweeper
from reenact.space.host.wall import explain_bad_requests
from reenact.space.host.zero_gpu import on_zero_gpu
from reenact.space.models import Models
from reenact.space.widgets.problems import Problems
from tests.page_server import served_page


class Visit:
    """A gate with its own clock, and runs that come from visitors."""

    def __init__(self, **options: Any) -> None:
        self.now, self.metrics = 0.0, Metrics()
        self.gate = Gate(HostOptions(**options), self.metrics, now=lambda: self.now)

    def run(self, *args: Any, is_run: bool = True, is_public: bool = False, **request: Any) -> Any:
        headers = {name.replace("_", "-"): value for name, value in request.items() if name != "host"}
        client = SimpleNamespace(host=request.get("host", "192.0.2.1"))
        token = LocalContext.request.set(SimpleNamespace(headers=headers, client=client, username=None))  # type: ignore[arg-type]
        try:
            checked = self.gate.checked(lambda *_: "drawn", name="draw", is_run=is_run, is_public=is_public)
            return checked(*args)
        finally:
            LocalContext.request.reset(token)


def test_visitors_have_their_runs_an_hour_and_callers_with_a_key_all_they_want() -> None:
    visit = Visit(runs_per_hour=2, api_keys=("secret",))
    visit.run()
    visit.now = 600.0
    visit.run()
    with pytest.raises(gr.Error, match="All 2 runs that a visitor has in an hour are used up; .* possible in 50 min"):
        visit.run()
    visit.run(is_run=False)
    visit.run(host="192.0.2.2")
    visit.run(x_api_key="secret")
    visit.now = 3600.0
    visit.run()
    with pytest.raises(gr.Error, match="possible in 10 min"):
        visit.run()


def test_visitors_behind_a_proxy_are_told_apart_by_the_address_that_it_adds() -> None:
    forwarded = {"x_forwarded_for": "198.51.100.1, 203.0.113.5"}
    for behind, host in ((True, "10.0.0.1"), (False, "192.0.2.9")):
        visit = Visit(runs_per_hour=1, behind_proxy=behind)
        visit.run(host=host, **forwarded)
        with pytest.raises(gr.Error, match="The run that a visitor has in an hour is used up"):
            visit.run(host=host, x_forwarded_for="6.6.6.6, 203.0.113.5")


@pytest.mark.parametrize("given", [{"x_api_key": "two"}, {"authorization": "Bearer two"}])
def test_programs_need_a_key_where_the_host_wants_one(given: dict[str, str]) -> None:
    visit = Visit(api_keys=("one", "two"))
    assert visit.run(is_public=True, **given) == visit.run() == "drawn"
    for wrong in ({}, {"x_api_key": "tw"}, {"authorization": "Basic two"}, {"x_api_key": "zwö"}):
        with pytest.raises(gr.Error, match="Programs need a key of this page"):
            visit.run(is_public=True, **wrong)


def test_pixels_of_every_file_are_limited(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    write_image(tmp_path / "large.png", np.zeros((1000, 1200, 3), np.uint8))
    (tmp_path / "text.json").write_text("{}")
    visit = Visit(max_megapixels=1.0)
    with pytest.raises(gr.Error, match="1200 × 1000 pixels; this page takes up to 1 million"):
        visit.run("absolute", {"1": [str(tmp_path / "large.png"), 0]}, is_run=False)
    assert visit.run(str(tmp_path / "text.json"), str(tmp_path), "large.png", "a" * 9999, "a\0b") == "drawn"
    assert Visit(max_megapixels=2.0).run(str(tmp_path / "large.png")) == "drawn"


def test_a_closed_gate_lets_nobody_in_and_its_message_stays_in_the_notes() -> None:
    visit, problems = Visit(), Problems()
    visit.gate.is_closed = True
    checked = visit.gate.checked(problems.kept(lambda: "drawn"), name="draw", is_run=True, is_public=False)
    with pytest.raises(gr.Error, match="being stopped"):
        checked()
    assert problems.last(None).startswith("The page is being stopped")


def test_metrics_count_runs_and_how_they_end(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(now=iter([0.0, 1.5, 2.0, 2.25, 3.0, 3.0]).__next__)
    with caplog.at_level(logging.INFO), metrics.measured("video"):
        assert "reenact_runs_in_progress 1\n" in metrics.text(waiting=3)
    stopped = gr.Error("Stopped")
    stopped.__cause__ = StoppedError("Stopped")
    for error in (stopped, gr.Error("No face in anna.jpg")):
        with pytest.raises(gr.Error), metrics.measured("video"):
            raise error
    text = metrics.text(waiting=3)
    for how in ("done", "stopped", "refused"):
        assert f'reenact_runs_total{{run="video",ended="{how}"}} 1\n' in text
    assert 'reenact_run_seconds_total{run="video"} 1.750\n' in text
    assert "reenact_runs_waiting 3\n" in text and "reenact_runs_in_progress 0\n" in text
    assert [record.getMessage() for record in caplog.records] == ["run video done"]
    assert "anna" not in text


def test_the_log_has_no_names_of_files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    portrait = tmp_path / "abc" / "anna smith.jpg"
    try:
        portrait.read_bytes()
    except OSError:
        record = logging.LogRecord("page", logging.ERROR, "", 0, "Internal error %s", ("1f",), sys.exc_info())
    record.run, record.seconds, record.source = "video", 1.5, "anna smith.jpg"
    assert "'<file>'" in PlainLog().format(record)
    event = json.loads(JsonLog().format(record))
    assert {name: event[name] for name in ("level", "logger", "message", "run", "seconds")} == {
        "level": "ERROR",
        "logger": "page",
        "message": "Internal error 1f",
        "run": "video",
        "seconds": 1.5,
    }
    assert "anna" not in PlainLog().format(record) + json.dumps(event)


def test_old_files_are_swept_whoever_wrote_them(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for name in ("a/upload.png", "b/example.png", "results/c/.out.mp4.1234.partial", "results/d/new.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    writing = PartialFile(tmp_path / "results/d/run.mp4", overwrite=False)
    ages = {"upload.png": 2800.0, "example.png": 9999.0, ".out.mp4.1234.partial": 10.0, "new.mp4": 130.0, "c": 2800.0}
    ages[writing.partial.name] = 1000.0  # a run may draw for long before its encoder writes
    now = tmp_path.stat().st_mtime
    monkeypatch.setattr("reenact.space.host.sweeping._touched", lambda path: now - ages.get(path.name, 0.0))
    Sweeper({str(tmp_path / "b" / "example.png")}).sweep()
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {
        "a",
        "b",
        "b/example.png",
        "results",
        "results/d",
        "results/d/new.mp4",
        f"results/d/{writing.partial.name}",
    }
    writing.discard()


def test_systems_that_the_host_leaves_out_are_neither_shown_nor_loaded() -> None:
    models = Models(lambda system: pytest.fail("not loaded"), offered=("correspondence",))
    assert not models.offers("facegan") and models.offers("correspondence")
    with pytest.raises(ConfigError, match="facegan is not offered on this page; choose correspondence"):
        models.engine("facegan")


def test_zero_gpu_gets_what_can_be_pickled_and_nobody_else_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(source: str, request: gr.Request | None = None) -> tuple[str, object]:
        return source, request

    assert on_zero_gpu(draw) is draw
    asked = list[int]()

    def lend(run: Any, duration: int) -> Any:
        asked.append(duration)
        return lambda *args, **options: run(*pickle.loads(pickle.dumps(args)), **options)

    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lend))
    assert on_zero_gpu(draw)("face.png", gr.Request()) == ("face.png", None)
    assert asked == [120]


def test_mcp_and_a_login_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="MCP clients cannot log in"):
        HostOptions(mcp=True, logins=(("anna", "secret"),))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_page(tmp_path_factory.mktemp("cache"), metrics=True, max_megabytes=0.1, api_keys=("key",)) as url:
        yield url


def ask(address: str, endpoint: str, body: dict[str, Any], **headers: str) -> str:
    """The last event of a job."""
    with httpx.Client(
        base_url=address, headers={name.replace("_", "-"): text for name, text in headers.items()}
    ) as web:
        answer = web.post(f"gradio_api/call/v2/{endpoint}", json=body).raise_for_status().json()
        return web.get(f"gradio_api/call/{endpoint}/{answer['event_id']}").text


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"path": "http://127.0.0.1:9/face.png"}, "The page fetches no addresses"),
        ({"path": "https://example.org/gradio_api/file=/etc/passwd"}, "The page fetches no addresses"),
        ({"path": "/etc/passwd"}, "was not uploaded to this page"),
        ({"path": "/etc/passwd", "is_stream": True}, "was not uploaded to this page"),
        ({"path": "file:///etc/passwd"}, "was not uploaded to this page"),
        ({"path": ["/etc/passwd"]}, "The parameter source cannot be "),
    ],
)
def test_only_uploads_are_read(address: str, file: dict[str, Any], said: str) -> None:
    meta = {"meta": {"_type": "gradio.FileData"}}
    answer = ask(address, "edit", {"source": file | meta}, x_api_key="key")
    assert "event: error" in answer and said in answer


@pytest.mark.parametrize(
    ("endpoint", "values", "said"),
    [
        ("reenact_video", {"driver": "nodd"}, "The parameter driver cannot be 'nodd'; it takes 'clip', 'nod', "),
        ("reenact_video", {"smoothing": "much"}, "The parameter smoothing cannot be 'much'; it takes 0 to 4."),
        (
            *("reenact_image", {"source": None, "driving": None, "source_face": [1]}),
            "The parameter source_face cannot be [1]; it takes a number.",
        ),
        (
            "compare",
            {"source": None, "systems": ["x"]},
            "The parameter systems cannot be ['x']; it takes 'correspondence'",
        ),
        ("edit", {"source": 5}, "The parameter source cannot be 5; /openapi.json says what it takes."),
    ],
)
def test_parameters_with_wrong_values_are_named(address: str, endpoint: str, values: dict[str, Any], said: str) -> None:
    answer = ask(address, endpoint, values, x_api_key="key")
    assert said in json.loads(answer.partition("data: ")[2])["error"]


def test_programs_without_the_key_are_refused_and_with_it_are_answered(address: str) -> None:
    assert "Programs need a key" in ask(address, "reenact_video", {})
    assert "There is no source picture yet" in ask(address, "reenact_video", {}, x_api_key="key")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("healthz", 200),
        ("metrics", 200),
        ("openapi.json", 200),
        ("gradio.js", 200),
        ("gradio_api/info", 200),
        ("gradio_api/file=http://127.0.0.1:9/x", 404),
        ("gradio_api/file=/etc/passwd", 403),
        ("gradio_api/proxy=http://127.0.0.1:9/x", 404),
        ("gradio_api/deep_link?session_hash=x", 404),
        ("gradio_api/vibe-code", 404),
        ("gradio_api/runs", 404),
        ("monitoring", 404),
    ],
)
def test_routes_that_the_page_does_not_use_are_unknown(address: str, path: str, status: int) -> None:
    assert httpx.get(address + path).status_code == status


def test_what_is_too_large_is_refused(address: str) -> None:
    upload = httpx.post(f"{address}gradio_api/upload", files={"files": ("a.png", b"0" * 200_000)})
    assert upload.status_code == 413
    join = httpx.post(f"{address}gradio_api/queue/join", content=b"[" * 5_000_000)
    assert join.status_code == 413 and "upload files instead" in join.text


def test_metrics_and_readiness_of_the_served_page(address: str) -> None:
    assert httpx.get(f"{address}readyz").text == "The networks are being loaded.\n"
    ask(address, "reenact_video", {}, x_api_key="key")
    assert 'reenact_runs_total{run="reenact_video",ended="refused"}' in httpx.get(f"{address}metrics").text


def test_a_full_queue_says_so_in_words() -> None:
    with gr.Blocks() as page:
        gr.Button("Run").click(lambda: None)
    page.queue(max_size=1)
    page._queue.event_queue_per_concurrency_id["waiting"] = SimpleNamespace(queue=[None])
    explain_bad_requests(page)
    body = SimpleNamespace(fn_index=0)
    success, text, state = asyncio.run(page._queue.push(body=body, request=SimpleNamespace(), username=None))
    assert (success, state) == (False, "queue_full")
    assert text == "The queue is full: 1 wait already. Try again in a minute."
