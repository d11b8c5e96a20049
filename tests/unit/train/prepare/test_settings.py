"""Settings of a run, and the refusal of a folder made with other settings."""

import dataclasses
import json
import pathlib
from fractions import Fraction

import pytest
import tyro

from reenact.errors import ConfigError, MissingDependencyError, OutputError
from train.prepare.settings import PrepareSettings, fingerprint, refuse_other_run


def test_rates_are_read_as_fractions() -> None:
    given = tyro.cli(PrepareSettings, args=["--videos", "a", "--out", "b", "--fps", "12.5"])
    assert given.fps == Fraction(25, 2)
    assert tyro.cli(PrepareSettings, args=["--videos", "a", "--out", "b", "--fps", "30000/1001"]).fps > 29


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"min_frames": 4}, "--min-frames is 4; give a value from 8 to 250."),
        ({"max_frames": 251}, "--max-frames is 251; give a value from 8 to 250."),
        ({"val_share": 0.95}, "--val-share is 0.95; give a value from 0 to 0.9."),
        ({"val_share": 0.5, "test_share": 0.5}, "--test-share is 0.5; give a value from 0 to 0.4."),
        ({"same_side": 0.9}, "--same-side is 0.9; give a value from -1 to 0.55."),
        ({"max_minutes": 0}, "--max-minutes is 0; give a positive number, or leave it out."),
        ({"workers": -1}, "--workers is -1; give a number of processes, or 0 for the main process."),
        ({"teacher_file": pathlib.Path("x")}, "--teacher-file is only used by --teacher mediapipe"),
    ],
)
def test_invalid_settings_are_refused(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        PrepareSettings(videos=pathlib.Path("a"), out=pathlib.Path("b"), **changes)  # type: ignore[arg-type]


def test_only_what_changes_the_output_counts(settings: PrepareSettings, weights: list[pathlib.Path]) -> None:
    facts = fingerprint(settings, "videos", "abc")
    elsewhere = dataclasses.replace(settings, out=pathlib.Path("other"), workers=3, clean=True)
    assert fingerprint(elsewhere, "videos", "abc") == facts
    assert json.loads(json.dumps(facts)) == facts
    assert fingerprint(dataclasses.replace(settings, fps=Fraction(25)), "videos", "abc") != facts
    assert set(facts["weights"]) == {f"perception/{name}" for name in ("detector", "tracker", "parser", "identity")}


def test_each_other_setting_is_named() -> None:
    mine = {"fps": "25", "seed": 0, "weights": {"a": "0123456789"}, "sources": "new"}
    refuse_other_run(pathlib.Path("set"), mine, mine | {"sources": "old"})
    theirs = {"fps": "25/2", "seed": 0, "weights": {"a": "9876543210"}}
    with pytest.raises(OutputError) as raised:
        refuse_other_run(pathlib.Path("set"), mine, theirs)
    assert str(raised.value) == (
        "set holds a set made with other settings (fps: was 25/2, now 25; weights: was a 98765432, now a 01234567); "
        "give the same settings or another --out, or delete that folder."
    )


def test_a_missing_teacher_is_refused_with_the_option_of_this_command(settings: PrepareSettings) -> None:
    nowhere = dataclasses.replace(settings, teacher="mediapipe", teacher_file=pathlib.Path("/nowhere.task"))
    with pytest.raises(MissingDependencyError, match=r"not at /nowhere\.task; .* or use the tracker 'own'"):
        fingerprint(nowhere, "videos", "abc")
