"""Which driver belongs to which face."""

import pathlib

import gradio as gr
import pytest

from reenact.pipeline.motions.library import LIBRARY
from reenact.space import examples
from reenact.space.widgets.faces_part import drivers_of, with_own

TALK, NOD = (str(examples.FOLDER / "driving" / f"actor-{name}.jpg") for name in ("talk", "nod"))


@pytest.mark.parametrize(
    ("kept", "number", "driving", "drivers"),
    [
        (None, 0, TALK, {1: (TALK, 0)}),
        ({}, 2, TALK, {2: (TALK, 0)}),
        ({"1": {"path": TALK, "face": 3}}, 2, NOD, {1: (TALK, 3), 2: (NOD, 0)}),
        ({"1": {"path": TALK, "face": 0}, "2": {"path": NOD, "face": 0}}, 2, None, {1: (TALK, 0)}),
        ({"1": {"path": None, "face": 0}}, 2, NOD, {2: (NOD, 0)}),
        ({"1": {"path": "/etc/passwd"}, "x": {"path": TALK}, "3": 7}, 2, NOD, {2: (NOD, 0)}),
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
    assert drivers_of(with_own(kept, number, {"path": driving, "face": 0})) == drivers


def test_programs_give_files_and_motions_by_name() -> None:
    nod = (str(LIBRARY / "nod.safetensors"), 0)
    given = {"3": "nod", "1": {"path": TALK, "meta": {}}, "2": {"path": {"path": NOD}, "face": 2}, "4": None}
    assert drivers_of(given) == {1: (TALK, 0), 2: (NOD, 2), 3: nod}
    assert [*drivers_of(given)] == [1, 2, 3]
    assert drivers_of({"1": {"driver": "nod", "path": TALK, "face": 3}}) == {1: nod}
    assert drivers_of({"1": {"driver": "file", "path": TALK, "template": NOD, "face": 3}}) == {1: (NOD, 0)}
    with pytest.raises(gr.Error, match="There is no motion 'yawn'; the motions are nod, "):
        drivers_of({"1": "yawn"})
