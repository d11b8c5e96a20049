"""Files of strangers; `python -m benchmarks.hostile` gives them to the command line and the page, too."""

import pathlib

import pytest

from benchmarks.hostile import through_cli, through_readers
from benchmarks.hostile_files import Hostile, hostile_files

FOUND = {"flip2-a.mov", "unknown-sound.mp4", "unknown-pictures.mp4", "number.json", "step-nan.safetensors", "a\nb.png"}
"""Files that once caused a traceback or a warning, or two lines."""


@pytest.fixture(scope="module")
def files() -> list[Hostile]:
    return hostile_files()


def test_there_are_more_than_300_and_always_the_same(files: list[Hostile]) -> None:
    assert len({file.name for file in files}) == len(files) > 300
    assert {file.name for file in files} >= FOUND


def test_readers_take_them_or_refuse_them_in_one_line(files: list[Hostile], tmp_path: pathlib.Path) -> None:
    answers = set[str]()
    for file in files:
        path = tmp_path / file.name
        path.write_bytes(file.content)
        answers.add(through_readers(path))
        assert path.read_bytes() == file.content
        path.unlink()
    assert answers == {"read", "refused"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["flip2-a.mov", "number.json", "shape0.safetensors", "svg.png", "a\nb.png", "bomb.png"]
)
def test_commands_refuse_them_in_one_line(files: list[Hostile], tmp_path: pathlib.Path, name: str) -> None:
    file = next(file for file in files if file.name == name)
    (tmp_path / name).write_bytes(file.content)
    assert through_cli(tmp_path / name) == "refused"
