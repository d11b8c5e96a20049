"""The page through gradio_client: what a program that calls it gets, with the embedded weights."""

import pathlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from reenact.media import VideoReader, read_image, write_image
from tests.e2e.conftest import swayed, write_clip
from tests.page_server import left_over, served_page

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

pytestmark = pytest.mark.filterwarnings(
    "ignore:'future.no_silent_downcasting' is deprecated"
)  # gradio asks pandas for it

ENDPOINTS = {
    "/reenact_image": (
        ["source", "driving", "motion", "paste_back", "source_face", "driving_face", "system", "mode"],
        ["Downloadbutton", "Imageslider", "Textbox"],
    ),
    "/reenact_video": (
        ["source", "driving", "motion", "smoothing", "on_missing_face", "side_by_side", "paste_back", "source_face"]
        + ["driving_face", "system", "mode"],
        ["Downloadbutton", "Video", "Textbox"],
    ),
    "/edit": (
        ["source", "settings", "mode", "background", "background_picture", "paste_back", "source_face", "system"],
        ["Downloadbutton", "Textbox"],
    ),
    "/turntable": (
        ["source", "seconds", "from_yaw", "to_yaw", "kind", "paste_back", "source_face", "settings", "mode"]
        + ["background", "background_picture", "system"],
        ["Downloadbutton", "Textbox"],
    ),
    "/stop": ([], ["Textbox"]),
}
"""Programs of others call these by name: add at the end, take nothing away."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(cache: pathlib.Path) -> Iterator[str]:
    with served_page(cache, max_seconds=30.0) as url:
        yield url


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    client = gradio_client.Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))
    yield client
    client.close()


def given(path: pathlib.Path) -> Any:
    return gradio_client.handle_file(str(path))


def test_endpoints_and_their_parameters_are_stable(client: Any) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    for name, (parameters, returns) in ENDPOINTS.items():
        described = named[name]["parameters"]
        assert [each["parameter_name"] for each in described] == parameters
        assert [value["component"] for value in named[name]["returns"]] == returns
        needed = [each["parameter_name"] for each in described if not each["parameter_has_default"]]
        assert needed == [each for each in parameters[:2] if each in ("source", "driving")]
    assert set(named) == set(ENDPOINTS)


def test_missing_picture_is_asked_for(client: Any) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match="There is no source picture yet"):
        client.predict(None, None, api_name="/reenact_image")


def test_stop_without_a_run_says_so(client: Any) -> None:
    assert client.predict(api_name="/stop") == "Nothing is running."


@pytest.mark.usefixtures("weights")
class TestWithWeights:
    def test_image_has_the_size_of_the_source_and_another_face(self, client: Any, material: pathlib.Path) -> None:
        file, (before, after), text = client.predict(
            given(material / "source.png"), given(material / "driving.png"), api_name="/reenact_image"
        )
        source, result = read_image(material / "source.png").rgb, read_image(file).rgb
        assert pathlib.Path(file).name == "source-reenacted.png"
        assert result.shape == source.shape
        assert np.abs(result[60:180, 170:280].astype(int) - source[60:180, 170:280]).mean() > 4
        # nothing was compressed on the way
        assert np.array_equal(read_image(before).rgb, source)
        assert np.array_equal(read_image(after).rgb, result)
        assert text.startswith("Done in ")
        assert "512 × 512 pixels.\nDrawn by Correspondence (standard): no face is turned by more than 45°." in text
        assert "\nWeights of Correspondence: embedded correspondence (sha256 " in text

    def test_crop_alone_is_a_square_of_the_network_size_or_more(self, client: Any, material: pathlib.Path) -> None:
        file, (before, _), _ = client.predict(
            given(material / "source.png"),
            given(material / "driving.png"),
            motion="relative",
            paste_back=False,
            api_name="/reenact_image",
        )
        height, width, _ = read_image(file).rgb.shape
        assert height == width >= 256
        assert read_image(before).rgb.shape == (height, width, 3)

    def test_video_has_rate_and_length_of_the_driving_clip(self, client: Any, material: pathlib.Path) -> None:
        file, preview, text = client.predict(
            given(material / "source.png"), given(material / "driving.mp4"), api_name="/reenact_video"
        )
        preview = preview["video"] if isinstance(preview, dict) else preview
        assert pathlib.Path(preview).read_bytes() == pathlib.Path(file).read_bytes()
        with VideoReader(file) as reader:
            frames = list(reader)
            assert (reader.info.width, reader.info.height, reader.info.fps) == (512, 512, 25)
            assert reader.info.has_audio
        assert len(frames) == 12
        assert np.abs(frames[0].astype(int) - frames[6])[60:180, 170:280].mean() > 2
        assert "12 frames at 25 a second" in text

    def test_side_by_side_is_three_pictures_wide(self, client: Any, material: pathlib.Path) -> None:
        file, _, _ = client.predict(
            given(material / "source.png"),
            given(material / "driving.mp4"),
            side_by_side=True,
            api_name="/reenact_video",
        )
        with VideoReader(file) as reader:
            assert (reader.info.width, reader.info.height) == (3 * 512, 512)

    def test_picture_in_place_of_a_clip_is_called_the_driving_file(self, client: Any, material: pathlib.Path) -> None:
        picture = given(material / "source.png")
        with pytest.raises(gradio_client.exceptions.AppError) as caught:
            client.predict(picture, picture, api_name="/reenact_video")
        assert str(caught.value) == "The driving file is a picture (PNG); a video is needed here."

    def test_clip_beyond_the_limit_of_the_host_is_refused(
        self, client: Any, material: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        clip = write_clip(tmp_path / "long.mp4", [np.zeros((32, 32, 3), np.uint8)] * (31 * 25))
        with pytest.raises(
            gradio_client.exceptions.AppError, match="lasts 31.0 s; this page takes clips of up to 30 s"
        ):
            client.predict(given(material / "source.png"), given(clip), api_name="/reenact_video")

    def test_picture_without_a_face_is_named(
        self, client: Any, material: pathlib.Path, tmp_path: pathlib.Path, cache: pathlib.Path
    ) -> None:
        before = left_over(cache)
        write_image(tmp_path / "wall.png", np.full((300, 400, 3), 128, np.uint8))
        with pytest.raises(gradio_client.exceptions.AppError) as caught:
            client.predict(given(material / "source.png"), given(tmp_path / "wall.png"), api_name="/reenact_image")
        assert str(caught.value).startswith("The driving picture: No face found")
        assert str(cache) not in str(caught.value)
        assert left_over(cache) == before

    def test_several_faces_are_noted_in_words_of_the_page(
        self, client: Any, material: pathlib.Path, astronaut: np.ndarray, tmp_path: pathlib.Path
    ) -> None:
        write_image(tmp_path / "two.png", np.concatenate([astronaut, astronaut], axis=1))
        _, _, text = client.predict(
            given(tmp_path / "two.png"), given(material / "driving.png"), api_name="/reenact_image"
        )
        assert "Note: The source picture: 2 faces found" in text
        assert "option “Face in the source”" in text
        assert "--" not in text

    def test_face_that_is_not_there_is_counted(self, client: Any, material: pathlib.Path) -> None:
        pictures = given(material / "source.png"), given(material / "driving.png")
        with pytest.raises(gradio_client.exceptions.AppError, match="Face 2 was asked for, but"):
            client.predict(*pictures, source_face=2, api_name="/reenact_image")

    def test_stop_ends_the_work_and_leaves_nothing(
        self, client: Any, astronaut: np.ndarray, material: pathlib.Path, tmp_path: pathlib.Path, cache: pathlib.Path
    ) -> None:
        before = left_over(cache)
        frames = [swayed(astronaut, 3 * np.sin(i / 9), 0) for i in range(50)] * 12
        clip = write_clip(tmp_path / "long.mp4", frames)
        job = client.submit(given(material / "source.png"), given(clip), api_name="/reenact_video")
        deadline = time.monotonic() + 60
        while left_over(cache) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert any(".partial" in name for name in left_over(cache))
        assert client.predict(api_name="/stop") == "Stopped; nothing was written."
        with pytest.raises(gradio_client.exceptions.AppError, match="Stopped; nothing was written"):
            job.result(timeout=30)
        assert left_over(cache) == before


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"To whom it may concern\n", "holds text, not a picture")],
    ids=["empty", "text"],
)
def test_file_that_is_no_picture_is_named(
    client: Any, material: pathlib.Path, tmp_path: pathlib.Path, content: bytes, said: str
) -> None:
    (tmp_path / "letter.png").write_bytes(content)
    with pytest.raises(gradio_client.exceptions.AppError) as caught:
        client.predict(given(tmp_path / "letter.png"), given(material / "driving.png"), api_name="/reenact_image")
    assert str(caught.value).startswith("The source picture")
    assert said in str(caught.value)
