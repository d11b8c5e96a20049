"""The expression editor through gradio_client: what a program that calls it gets."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from reenact.media import read_image, write_image
from tests.page_server import left_over, served_page

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),  # gradio asks pandas for it
]

PARAMETERS = [
    *("source", "settings", "mode", "background", "background_picture", "paste_back", "source_face"),
]
"""Programs of others call `/edit` with these: add at the end, take nothing away."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def client(
    cache: pathlib.Path, editing: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    with served_page(cache, load=editing, editor=True) as address:
        downloads = str(tmp_path_factory.mktemp("downloads"))
        client = gradio_client.Client(address, verbose=False, download_files=downloads)
        yield client
        client.close()


@pytest.fixture(scope="module")
def source(material: pathlib.Path) -> Any:
    return gradio_client.handle_file(str(material / "source.png"))


def test_endpoint_is_described(client: Any) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/reenact_image", "/reenact_video", "/stop", "/edit"}
    edit = named["/edit"]
    assert [each["parameter_name"] for each in edit["parameters"]] == PARAMETERS
    assert [each["parameter_name"] for each in edit["parameters"] if not each["parameter_has_default"]] == ["source"]
    assert [each["component"] for each in edit["returns"]] == ["Downloadbutton", "Textbox"]
    assert edit["description"].startswith("Edit the expression and pose")


def test_edit_that_asks_for_nothing_gives_the_source(client: Any, source: Any, material: pathlib.Path) -> None:
    file, text = client.predict(source, api_name="/edit")
    assert pathlib.Path(file).name == "source-edited.png"
    assert np.array_equal(read_image(file).rgb, read_image(material / "source.png").rgb)
    assert text.startswith("Done in ")


def test_face_changes_and_what_lies_far_from_it_does_not(client: Any, source: Any, material: pathlib.Path) -> None:
    before = read_image(material / "source.png").rgb.astype(int)
    file, _ = client.predict(source, {"26": 4, "yaw": 15}, api_name="/edit")
    after = read_image(file).rgb
    assert after.shape == before.shape
    assert np.abs(after - before)[60:180, 170:280].mean() > 2
    assert np.array_equal(after[400:], before[400:])


def test_saved_settings_and_values_by_name_are_the_same(client: Any, source: Any) -> None:
    saved = {"format_version": 1, "kind": "reenact-edit", "mode": "absolute", "action_units": {"26": 3.0}}
    first, _ = client.predict(source, saved, paste_back=False, api_name="/edit")
    second, _ = client.predict(source, {"26": 3.0}, mode="absolute", paste_back=False, api_name="/edit")
    assert np.array_equal(read_image(first).rgb, read_image(second).rgb)


def test_background_is_taken_away_or_swapped(client: Any, source: Any, tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "hall.png", np.full((30, 200, 3), (0, 255, 0), np.uint8))
    hall = gradio_client.handle_file(str(tmp_path / "hall.png"))
    bare, _ = client.predict(source, {"26": 1}, background="none", api_name="/edit")
    swapped, _ = client.predict(source, background="picture", background_picture=hall, api_name="/edit")
    assert read_image(bare).alpha is not None
    assert read_image(swapped).alpha is None
    assert read_image(swapped).rgb.shape == (512, 512, 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"settings": {"12": 7}}, "AU12 is set to 7"),
        ({"settings": {"3": 1}}, "There is no Action Unit '3'"),
        ({"settings": {"25L": 1}}, "AU25 has no left and right"),
        ({"settings": {"yaw": 100}}, "The yaw is set to 100"),
        ({"settings": {"kind": "reenact-edit", "format_version": 9}}, "format_version 9"),
        ({"settings": [1]}, "have to be an object"),
        ({"background": "picture"}, "no background picture yet"),
        ({"source_face": 2}, "Face 2 was asked for, but"),
    ],
)
def test_what_cannot_be_done_is_said(
    client: Any, source: Any, cache: pathlib.Path, options: dict[str, Any], said: str
) -> None:
    before = left_over(cache)
    with pytest.raises(gradio_client.exceptions.AppError, match=said) as caught:
        client.predict(source, **options, api_name="/edit")
    assert str(cache) not in str(caught.value)
    assert left_over(cache) == before


def test_missing_source_is_asked_for(client: Any) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match="There is no source picture yet"):
        client.predict(None, api_name="/edit")


def test_picture_without_a_face_is_named(client: Any, tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "wall.png", np.full((300, 400, 3), 128, np.uint8))
    with pytest.raises(gradio_client.exceptions.AppError, match="^The source picture: No face found"):
        client.predict(gradio_client.handle_file(str(tmp_path / "wall.png")), {"12": 1}, api_name="/edit")
