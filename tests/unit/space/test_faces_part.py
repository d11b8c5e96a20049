"""Which driver belongs to which face."""

import pathlib

import pytest

from reenact.space import examples
from reenact.space.widgets.faces_part import drivers_of

TALK, NOD = (str(examples.FOLDER / "driving" / f"actor-{name}.jpg") for name in ("talk", "nod"))


@pytest.mark.parametrize(
    ("kept", "number", "driving", "drivers"),
    [
        (None, 0, TALK, {1: (TALK, 0)}),
        ({}, 2, TALK, {2: (TALK, 0)}),
        ({"1": {"path": TALK, "face": 3}}, 2, NOD, {1: (TALK, 3), 2: (NOD, 0)}),
        ({"1": {"path": TALK, "face": 0}, "2": {"path": NOD, "face": 0}}, 2, None, {1: (TALK, 0)}),
        ({"1": {"path": None, "face": 0}}, 2, NOD, {2: (NOD, 0)}),
        ({"1": {"path": "/etc/passwd"}, "x": {"path": TALK}, "3": TALK}, 2, NOD, {2: (NOD, 0)}),
    ],
)
def test_faces_have_the_drivers_that_were_given_for_them(
    kept: dict[str, object] | None,
    number: int,
    driving: str | None,
    drivers: dict[int, tuple[str, int]],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert drivers_of(kept, number, driving, 0) == drivers
