"""Folders on the command line; what is drawn is replaced by its names."""

import pathlib
from collections.abc import Callable

import pytest
from PIL import Image as Pillow

from reenact import cli
from reenact.errors import UnsupportedInputError

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `reenact image` in an empty folder: exit code, lines of output, lines of errors."""

    def redraw(self: cli.Image, _: object) -> None:
        for path in (self.source, self.driving):
            if path.stem == "bad":
                raise UnsupportedInputError(f"{path} holds text, not a picture.")
            if path.stem == "huge":
                raise MemoryError
            if path.stem == "stop" and any(self.out.parent.iterdir()):
                raise KeyboardInterrupt
        assert not self.out.exists() or self.overwrite
        self.out.write_text(f"{self.source.stem} {self.driving.stem}")

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        code = cli.main(["image", *arguments])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    monkeypatch.setattr(cli.Image, "redraw", redraw)
    monkeypatch.setenv("REENACT_TRACEBACK", "1")
    monkeypatch.chdir(tmp_path)
    return run


def touch(folder: str, *names: str) -> None:
    pathlib.Path(folder).mkdir(exist_ok=True)
    for name in names:
        pathlib.Path(folder, name).write_text("a file")


def names(folder: str) -> list[str]:
    return sorted(path.name for path in pathlib.Path(folder).iterdir())


def test_a_stopped_batch_says_what_it_has_made(run: Run) -> None:
    touch("in", "a.png", "b.png", "stop.png")
    code, _, lines = run("in", "d.png", "-o", "out")
    assert code == 130
    said = "2 of 3 results were made, 0 existed already; without --overwrite, the same command goes on with the rest."
    assert lines == [f"reenact: Stopped; {said}"]
    assert names("out") == ["a--d.png", "b--d.png"]


def test_too_little_memory_for_one_result_keeps_the_others(run: Run) -> None:
    """It said that nothing was written, and left the rest undone."""
    touch("in", "a.png", "b.png", "huge.png", "z.png")
    code, said, lines = run("in", "d.png", "-o", "out")
    assert code == 2
    assert said[-1].startswith("3 made, 0 existed already") and said[-1].endswith("1 failed")
    assert lines[0].startswith("reenact: out/huge--d.png was not written: the memory does not suffice.")
    assert names("out") == ["a--d.png", "b--d.png", "z--d.png"]


def test_empty_results_are_made_anew_and_the_last_line_counts(run: Run) -> None:
    touch("in", "a.png", "b.png")
    touch("out", "a--d.png")
    pathlib.Path("out/b--d.png").touch()
    _, lines, _ = run("in", "d.png", "-o", "out")
    assert pathlib.Path("out/b--d.png").read_text() == "b d"
    assert lines[-1] == (
        "1 made, 1 existed already and were left as they are (--overwrite makes them anew, for instance with other "
        "settings), 0 failed"
    )


@pytest.mark.parametrize("out", ["new", "new.1/", "old/new"])
@pytest.mark.parametrize("source", ["a.png", "in"])
def test_an_output_folder_is_created(source: str, out: str, run: Run) -> None:
    """A folder with one file is a folder, and can be run again."""
    touch("in", "a.png")
    touch("old")
    assert run(source, "d.png", "-o", out)[0] == 0
    assert names(out) == ["a--d.png"]
    if source == "in":
        assert run(source, "d.png", "-o", out)[0] == 0


@pytest.mark.parametrize("out", ["new", "no/new"])
@pytest.mark.parametrize("source", ["bad.png", "in"])
def test_a_refused_run_leaves_no_folder(source: str, out: str, run: Run) -> None:
    touch("in", "bad.png")
    assert run(source, "d.png", "-o", out)[0] == 2
    assert names(".") == ["in"]


@pytest.mark.parametrize(("source", "driving"), [("in", "d.png"), ("a.png", "in"), ("in", "in")])
def test_results_beside_the_sources_are_no_sources(source: str, driving: str, run: Run) -> None:
    touch("in", "a.png", "b.png")
    assert run(source, driving, "-o", "in")[0] == 0
    _, lines, _ = run(source, driving, "-o", "./in")
    assert lines[-1].startswith("0 made,")


def test_an_unusable_file_has_one_line(run: Run) -> None:
    touch("in", "a.png", "bad.png")
    touch("by", "c.png", "d.png")
    code, lines, errors = run("in", "by", "-o", "out")
    assert (code, lines[-1]) == (2, "2 made, 0 existed already and were left as they are, 2 failed")
    assert "in/bad.png holds text" in errors[0] and len(errors) == 2


def test_files_of_one_stem_are_named(run: Run) -> None:
    touch("in", "a.png", "a.jpg")
    said = "in/a.jpg and in/a.png would both give a--d.png; give the files of a folder different names."
    assert run("in", "d.png", "-o", "out") == (2, [], [f"reenact: {said}"])


def test_pictures_are_driven_by_the_pictures_of_a_folder(run: Run) -> None:
    touch("by")
    first, second = (Pillow.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    first.save("by/d.png")
    first.save("by/d.gif", save_all=True, append_images=[second])
    _, _, errors = run("a.png", "by", "-o", "out")
    assert names("out") == ["a--d.png"]
    assert errors == ["Note: d.gif in by: left out, as only pictures are used here."]
