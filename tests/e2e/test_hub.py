"""The Hub's commands: every one that docs/hub.md shows, their output, and their refusals."""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from reenact import cli
from reenact.media import read_image
from tests.file_server import Fault
from tests.hub_client import Client, files_of, hub, hub_environment, hub_server, write_part, write_system

__all__ = ["hub", "hub_server"]

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
REPO = "your-name/small"


@pytest.fixture(autouse=True)
def tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An internal error fails the test with its traceback."""
    monkeypatch.setenv("REENACT_TRACEBACK", "1")


@pytest.fixture
def system(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_system(tmp_path / "small")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def _commands() -> Iterator[str]:
    """The lines of all command boxes, in order."""
    text = (REPOSITORY / "docs" / "hub.md").read_text(encoding="utf-8")
    for box in re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield from box.splitlines()


def _run_as_written(line: str, hub: Client) -> int:
    """Run `reenact` in this process, where imports are done, and anything else as a program."""
    words = shlex.split(line.replace("$MIRROR", hub.server.endpoint))
    with pytest.MonkeyPatch.context() as patch:
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            known = {"HF_HUB_OFFLINE": ("HF_HUB_OFFLINE", value == "1"), "HF_ENDPOINT": ("ENDPOINT", value)}[name]
            patch.setattr(f"huggingface_hub.constants.{known[0]}", known[1])
        if words[0] == "reenact":
            return cli.main(words[1:])
        program = [sys.executable, "-m", "huggingface_hub.cli.hf", *words[1:]]
        environment = hub_environment(hub.server, hub.home)
        return subprocess.run(program, env=environment, capture_output=True, check=False).returncode


@pytest.mark.processes
@pytest.mark.usefixtures("weights")
def test_every_command_of_the_page(
    hub: Client, material: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, copy in (("source.png", "portrait.png"), ("driving.png", "driving.png"), ("driving.mp4", "clip.mp4")):
        shutil.copy(material / name, tmp_path / copy)
    write_system(tmp_path / "runs" / "mine" / "export")
    (write_part(tmp_path / "runs" / "other" / "export", model="tracker") / "README.md").unlink()
    for name in ("correspondence", "perception/tracker"):
        repo = f"your-name/reenact-{name.replace('/', '-')}"
        hub.server.put(repo, files_of(REPOSITORY / "checkpoints" / name))
    monkeypatch.chdir(tmp_path)
    # the clone of whoever runs the tests may have changes that are not committed
    commands = [line for line in _commands() if "--space" not in line]
    assert len(commands) > 12
    assert {line: code for line in commands if (code := _run_as_written(line, hub))} == {}
    assert {path.name for path in tmp_path.glob("*.png")} >= {"result.png", "by-hand.png", "offline.png", "mine.png"}
    assert np.array_equal(read_image(tmp_path / "offline.png").rgb, read_image(tmp_path / "result.png").rgb)
    assert hub.server.repos["your-name/my-faces"].private
    assert "model.safetensors" in hub.server.files("your-name/my-faces", "wider")
    [collection] = hub.server.collections.values()
    assert collection["title"] == "Face reenactment"
    assert len(collection["items"]) >= 6


def test_the_page_quotes_texts_of_the_code() -> None:
    page = (REPOSITORY / "docs" / "hub.md").read_text(encoding="utf-8")
    code = " ".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "reenact" / "hub").glob("*.py"))
    code = re.sub(r'"\s*f?"', "", code).replace("{CARD_NAME}", "README.md").replace("{CONFIG_NAME}", "config.json")
    quoted = re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)))
    parts = [part.strip() for text in quoted for part in re.split(r"\.\.\.|NAME|\b\d\b", text)]
    assert len(parts) > 15
    assert [part for part in parts if part not in code] == []


@pytest.mark.processes
def test_download_prints_the_folder(
    hub: Client, system: pathlib.Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    hub.server.put("your-name/reenact-correspondence", files_of(system))
    hub.server.faults = [Fault("GET /api/models/", status=429, headers={"Retry-After": "3"})]
    assert run("download", "correspondence", "--owner", "your-name") == 0
    out, err = capsys.readouterr()
    assert (pathlib.Path(out.strip()) / "model.safetensors").is_file()
    assert err == ""
    assert "The Hub answers 429 (too many requests); trying again in 3 s." in caplog.text


def test_push_prints_address_and_commit(
    hub: Client, system: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("push", system, "--repo", REPO, "--dry-run") == 0
    out = capsys.readouterr().out
    assert f"  model.safetensors: {(system / 'model.safetensors').stat().st_size:,} bytes\n" in out
    assert "library_name: reenact" in out
    assert hub.server.requests == []
    for suffix in ("", " (unchanged)"):
        assert run("push", system, "--repo", REPO) == 0
        commit = hub.server.repos[REPO].branches["main"]
        assert capsys.readouterr().out == f"{hub.server.endpoint}/{REPO}: commit {commit}{suffix}\n"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("huggingface_hub.HfApi.create_commit", stop)
    assert run("push", system, "--repo", REPO) == 2
    text = "Stopped; run it again to continue, files that have arrived are not sent twice."
    assert capsys.readouterr().err == f"reenact: {text}\n"


def test_publish_reports_successes_and_failures(
    hub: Client, system: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "checkpoints"
    shutil.copytree(system, root / "correspondence")
    (write_part(root / "perception" / "part", model="part") / "README.md").unlink()
    arguments = ("publish", "--owner", "your-name", "--checkpoints", root)
    assert run(*arguments, "--dry-run") == 2
    out, err = capsys.readouterr()
    assert out.startswith("your-name/reenact-correspondence\n  config.json: ")
    assert "reenact-perception-part: " in err and "has no README.md" in err
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert re.match(
        rf"{hub.server.endpoint}/your-name/reenact-correspondence: commit [0-9a-f]{{40}}\nCollection: ", out
    )
    assert err.count("\n") == 1
    assert err.startswith("reenact: 1 failed, the rest is done. your-name/reenact-perception-part: ")
    assert run("card", root / "perception" / "part") == 0
    assert run(*arguments) == 0


def test_publish_a_space(
    hub: Client, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from reenact.hub.push import Upload

    (tmp_path / "app.py").write_text("page")
    upload = Upload(
        repo="your-name/faces",
        folder=tmp_path,
        files=("README.md", "app.py"),
        card="---\nlicense: mit\n---\n",
        message="Upload",
        repo_type="space",
    )
    monkeypatch.setattr("reenact.hub.push.prepare_space", lambda repo: upload)
    assert run("publish", "--space", "your-name/faces", "--dry-run") == 0
    assert capsys.readouterr().out == "your-name/faces\n  README.md: 21 bytes\n  app.py: 4 bytes\n"
    assert run("publish", "--space", "your-name/faces", "--private") == 0
    assert capsys.readouterr().out.startswith(f"{hub.server.endpoint}/spaces/your-name/faces: commit ")
    assert hub.server.repos["your-name/faces"].private


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["download", "correspondence"], "Whose correspondence? Name the owner of"),
        (["download", "nothing"], "'nothing' is no published name"),
        (["download", "your-name/none"], "No repository your-name/none on the Hub"),
        (["push", "nowhere", "--repo", "a/b"], "No checkpoint folder at nowhere"),
        (["push", "nowhere", "--repo", "b"], "'b' is no repository name"),
        (["push", "nowhere"], "--repo"),
        (["publish"], "Nothing to publish; name the owner of the weights, or a Space (--owner)"),
        (["publish", "--owner", "me", "--checkpoints", "nowhere"], "No checkpoints in nowhere"),
        (["publish", "--owner", "me", "--collection", ""], "a title has 1 to 59"),
        (["publish", "--owner", "my name"], "is no repository name"),
        (["publish", "--space", "me"], "'me' is no repository name"),
        (["card", "nowhere"], "No checkpoint folder at nowhere"),
    ],
)
def test_refusals_are_one_line(
    arguments: list[str], text: str, hub: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("reenact: ")
    assert text in err
