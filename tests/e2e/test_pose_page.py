"""Large poses through gradio_client: the mode of the Image and Video tabs, and heads turned by hand."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from reenact.media import VideoReader, read_image, write_image
from tests.page_server import left_over, served_page

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),  # gradio asks pandas for it
]

PARAMETERS = {
    "/turn": ["source", "yaw", "pitch", "roll", "paste_back", "source_face"],
    "/turntable": ["source", "seconds", "from_yaw", "to_yaw", "kind", "paste_back", "source_face"],
}
"""Programs of others call these by name: add at the end, take nothing away."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def client(
    cache: pathlib.Path, turning: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    with served_page(cache, load=turning, large_pose=True) as address:
        downloads = str(tmp_path_factory.mktemp("downloads"))
        patient = {"timeout": 60}
        client = gradio_client.Client(address, verbose=False, download_files=downloads, httpx_kwargs=patient)
        yield client
        client.close()


@pytest.fixture(scope="module")
def source(material: pathlib.Path) -> Any:
    return gradio_client.handle_file(str(material / "source.png"))


def test_endpoints_are_described(client: Any) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/reenact_image", "/reenact_video", "/stop", *PARAMETERS}
    for name, parameters in PARAMETERS.items():
        described = named[name]["parameters"]
        assert [each["parameter_name"] for each in described] == parameters
        assert [each["parameter_name"] for each in described if not each["parameter_has_default"]] == ["source"]
        assert [each["component"] for each in named[name]["returns"]] == ["Downloadbutton", "Textbox"]


def test_turn_that_asks_for_nothing_gives_the_source(client: Any, source: Any, material: pathlib.Path) -> None:
    file, text = client.predict(source, api_name="/turn")
    assert pathlib.Path(file).name == "source-turned.png"
    assert np.array_equal(read_image(file).rgb, read_image(material / "source.png").rgb)
    assert text.startswith("Done in ")


def test_turned_head_is_a_large_pose_to_the_other_tabs(
    client: Any, source: Any, material: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # how far a drawn head looks turned depends on the weights
    monkeypatch.setattr("reenact.pipeline.large_pose.LARGE_POSE_DEG", 25.0)
    profile, _ = client.predict(source, yaw=60, api_name="/turn")
    before, after = read_image(material / "source.png").rgb.astype(int), read_image(profile).rgb
    assert np.abs(after - before)[60:180, 170:280].mean() > 4
    assert np.array_equal(after[400:], before[400:])
    small, _ = client.predict(source, yaw=60, paste_back=False, api_name="/turn")
    driver = gradio_client.handle_file(small)
    _, _, text = client.predict(source, driver, paste_back=False, api_name="/reenact_image")
    assert "Drawn by Dual Generator (large pose): the face in the driving picture is turned by" in text
    _, _, text = client.predict(driver, source, paste_back=False, mode="standard", api_name="/reenact_image")
    assert text.endswith("Drawn by Correspondence (standard), as chosen.")


def test_frontal_clip_is_drawn_as_ever_and_on_demand_as_a_large_pose(
    client: Any, source: Any, material: pathlib.Path
) -> None:
    clip = gradio_client.handle_file(str(material / "driving.mp4"))
    _, _, text = client.predict(source, clip, paste_back=False, api_name="/reenact_video")
    assert text.endswith("Drawn by Correspondence (standard): no face is turned by more than 45°.")
    file, _, text = client.predict(source, clip, paste_back=False, mode="large_pose", api_name="/reenact_video")
    assert text.endswith("Drawn by Dual Generator (large pose), as chosen.")
    with VideoReader(file) as reader:
        assert len(list(reader)) == 12


@pytest.mark.parametrize("kind", ["MP4", "GIF"])
def test_turntable_goes_from_end_to_end(client: Any, source: Any, kind: str) -> None:
    file, text = client.predict(
        source, seconds=0.2, from_yaw=-40, to_yaw=40, kind=kind, paste_back=False, api_name="/turntable"
    )
    assert pathlib.Path(file).name == f"source-turntable.{kind.lower()}"
    assert "5 frames" in text
    with VideoReader(file) as reader:
        frames = [frame.astype(int) for frame in reader]
    assert len(frames) == 5
    assert np.abs(frames[0] - frames[-1]).mean() > 4


@pytest.mark.parametrize(
    ("endpoint", "options", "said"),
    [
        ("/turn", {"yaw": 100}, "The yaw is set to 100"),
        ("/turn", {"roll": -46}, "The roll is set to -46"),
        ("/turn", {"yaw": 10, "source_face": 2}, "Face 2 was asked for, but"),
        ("/turntable", {"seconds": 0}, "The clip is to last 0 s"),
        ("/turntable", {"to_yaw": 91}, "The yaw is set to 91"),
    ],
)
def test_what_cannot_be_done_is_said(
    client: Any, source: Any, cache: pathlib.Path, endpoint: str, options: dict[str, Any], said: str
) -> None:
    before = left_over(cache)
    with pytest.raises(gradio_client.exceptions.AppError, match=said) as caught:
        client.predict(source, **options, api_name=endpoint)
    assert str(cache) not in str(caught.value)
    assert left_over(cache) == before


def test_picture_without_a_face_is_named(client: Any, tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "wall.png", np.full((300, 400, 3), 128, np.uint8))
    with pytest.raises(gradio_client.exceptions.AppError, match="^The source picture: No face found"):
        client.predict(gradio_client.handle_file(str(tmp_path / "wall.png")), yaw=30, api_name="/turn")
