"""The command line: one line for an error, a few lines for a result."""

import pathlib

import pytest

from reenact.errors import OutputError
from train.prepare import PreparedFacts, PrepareProgress, PrepareSettings, __main__


def facts(**changes: object) -> PreparedFacts:
    known: dict[str, object] = {
        "out": pathlib.Path("set"),
        "people": 3,
        "clips": 7,
        "stills": 2,
        "frames": 900,
        "hours": 0.02,
        "people_of_split": {"train": 1, "val": 1, "test": 1},
        "rejected": {"small": 4},
        "notes": ("layout people",),
        "warnings": ("only 900 frames",),
    }
    return PreparedFacts(**(known | changes))  # type: ignore[arg-type]


def test_a_result_in_a_few_lines() -> None:
    assert __main__.describe(facts(frames_worked_on=1000, seconds=40.0)) == [
        "3 people (train 1, val 1, test 1); 7 clips, 900 frames, 1.2 minutes; 2 stills",
        "left out: small 4",
        "layout people",
        "warning: only 900 frames",
        "1000 frames processed in 40 s (25.0 per second)",
        "written to set; open set/report.html",
    ]


def test_errors_are_one_line(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--videos", str(tmp_path), "--out", str(tmp_path / "set")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip().splitlines()[-1].startswith(f"{tmp_path} holds no clips or pictures")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(("error", "code"), [(OutputError("disk full"), 2), (KeyboardInterrupt(), 130)])
def test_exit_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(settings: PrepareSettings, *, progress: object) -> PreparedFacts:
        raise error

    monkeypatch.setattr(__main__, "prepare", fail)
    assert __main__.main(["--videos", "a", "--out", "b", "--fps", "25"]) == code
    said = capsys.readouterr().err.strip().splitlines()[-1]
    kept = "Stopped. Finished files are kept; run the same command again to resume."
    assert said == ("disk full" if code == 2 else kept)


def test_the_bar_shows_files_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(settings: PrepareSettings, *, progress: object) -> PreparedFacts:
        step = PrepareProgress(files_done=2, files=5, frames=80, frames_per_s=21.3, seconds_left=4000, stage="working")
        progress(step)  # type: ignore[operator]
        return facts()

    monkeypatch.setattr(__main__, "prepare", work)
    assert __main__.main(["--videos", "a", "--out", "b"]) == 0
    bar = capsys.readouterr().err
    assert "2/5 files" in bar
    assert "21.3 frames/s, 1:06:40 left" in bar
