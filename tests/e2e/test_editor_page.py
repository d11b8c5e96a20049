"""The editor through gradio_client: what a program that calls it gets, with the embedded weights."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from reenact.media import VideoReader, read_image, write_image
from tests.page_server import left_over, served_page

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("all_weights"),
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),  # gradio asks pandas for it
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def client(cache: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with served_page(cache) as address:
        downloads = str(tmp_path_factory.mktemp("downloads"))
        patient = {"timeout": 60}
        client = gradio_client.Client(address, verbose=False, download_files=downloads, httpx_kwargs=patient)
        yield client
        client.close()


@pytest.fixture(scope="module")
def source(material: pathlib.Path) -> Any:
    return gradio_client.handle_file(str(material / "source.png"))


def test_empty_edit_gives_the_source(client: Any, source: Any, material: pathlib.Path) -> None:
    file, text = client.predict(source, api_name="/edit")
    assert pathlib.Path(file).name == "source-edited.png"
    assert np.array_equal(read_image(file).rgb, read_image(material / "source.png").rgb)
    assert text.startswith("Done in ")


@pytest.mark.parametrize(
    ("settings", "system", "drawn"),
    [
        ({"26": 4, "yaw": 15}, "auto", "facegan"),
        ({"26": 4, "yaw": 60}, "auto", "dual_generator"),
        ({"yaw": 15}, "dual_generator", "dual_generator"),
    ],
)
def test_face_changes_and_distant_pixels_do_not(
    client: Any, source: Any, material: pathlib.Path, settings: dict[str, float], system: str, drawn: str
) -> None:
    before = read_image(material / "source.png").rgb.astype(int)
    file, text = client.predict(source, settings, system=system, api_name="/edit")
    after = read_image(file).rgb
    assert after.shape == before.shape
    assert np.abs(after - before)[60:180, 170:280].mean() > 2
    assert np.array_equal(after[400:], before[400:])
    assert f"Drawn by {drawn}" in text
    assert f"embedded {drawn} (sha256 " in text


def test_saved_settings_and_values_by_name_are_the_same(client: Any, source: Any) -> None:
    saved = {"format_version": 1, "kind": "reenact-edit", "mode": "absolute", "action_units": {"26": 3.0}}
    first, _ = client.predict(source, saved, paste_back=False, api_name="/edit")
    second, _ = client.predict(source, {"26": 3.0}, mode="absolute", paste_back=False, api_name="/edit")
    assert np.array_equal(read_image(first).rgb, read_image(second).rgb)


def test_background_is_removed_or_replaced(client: Any, source: Any, tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "hall.png", np.full((30, 200, 3), (0, 255, 0), np.uint8))
    hall = gradio_client.handle_file(str(tmp_path / "hall.png"))
    bare, _ = client.predict(source, {"26": 1}, background="none", api_name="/edit")
    swapped, _ = client.predict(source, background="picture", background_picture=hall, api_name="/edit")
    assert read_image(bare).alpha is not None
    assert read_image(swapped).alpha is None
    assert read_image(swapped).rgb.shape == (512, 512, 3)


@pytest.mark.parametrize("kind", ["MP4", "GIF"])
def test_turntable_rotates_the_head_from_end_to_end(client: Any, source: Any, kind: str) -> None:
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
        ("/edit", {"settings": {"yaw": 100}}, "The yaw is set to 100"),
        ("/edit", {"settings": {"12": 1}, "source_face": 2}, "Face 2 was asked for, but"),
        ("/edit", {"background": "picture"}, "no background picture yet"),
        ("/turntable", {"seconds": 0}, "0 s"),
        ("/turntable", {"to_yaw": 91}, "The yaw is set to 91"),
    ],
)
def test_impossible_requests_get_a_message_and_leave_no_file(
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
        client.predict(gradio_client.handle_file(str(tmp_path / "wall.png")), {"12": 1}, api_name="/edit")


def test_rotated_head_is_a_large_pose_to_the_other_tabs(
    client: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # how far a drawn head appears to be turned depends on the weights
    monkeypatch.setattr("reenact.pipeline.large_pose.LARGE_POSE_DEG", 25.0)
    rotated, _ = client.predict(source, {"yaw": 60}, paste_back=False, api_name="/edit")
    driver = gradio_client.handle_file(rotated)
    _, _, text = client.predict(source, driver, paste_back=False, api_name="/reenact_image")
    assert "Drawn by Dual Generator (large pose): the face in the driving picture is turned by" in text
    assert "embedded dual_generator (sha256 " in text
    _, _, text = client.predict(driver, source, paste_back=False, mode="standard", api_name="/reenact_image")
    assert "Drawn by Correspondence (standard), as chosen." in text


def test_frontal_clip_is_a_large_pose_only_on_demand(client: Any, source: Any, material: pathlib.Path) -> None:
    clip = gradio_client.handle_file(str(material / "driving.mp4"))
    _, _, text = client.predict(source, clip, paste_back=False, api_name="/reenact_video")
    assert "Drawn by Correspondence (standard): no face is turned by more than 45°." in text
    file, _, text = client.predict(source, clip, paste_back=False, mode="large_pose", api_name="/reenact_video")
    assert "Drawn by Dual Generator (large pose), as chosen." in text
    with VideoReader(file) as reader:
        assert len(list(reader)) == 12
