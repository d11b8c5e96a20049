"""The page through gradio_client: what a program that calls it gets, with the embedded weights."""

import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from reenact.media import VideoReader, read_image, write_image
from reenact.systems.catalog import CATALOG
from tests.e2e.conftest import swayed, write_clip
from tests.page_server import left_over, served_page

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("all_weights"),
]
AppError = gradio_client.exceptions.AppError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def client(cache: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    downloads, patient = str(tmp_path_factory.mktemp("downloads")), {"timeout": 60}
    with served_page(cache, max_seconds=30.0) as url:
        client = gradio_client.Client(url, verbose=False, download_files=downloads, httpx_kwargs=patient)
        yield client
        client.close()


@pytest.fixture(scope="module")
def source(material: pathlib.Path) -> Any:
    return given(material / "source.png")


@pytest.fixture(scope="module")
def driving(material: pathlib.Path) -> Any:
    return given(material / "driving.png")


@pytest.fixture(scope="module")
def clip(material: pathlib.Path) -> Any:
    return given(material / "driving.mp4")


@pytest.fixture(scope="module")
def portrait(material: pathlib.Path) -> np.ndarray:
    """The source's pixels."""
    return read_image(material / "source.png").rgb.astype(int)


ACTOR = pathlib.Path(__file__).parents[2] / "examples" / "driving"


def given(path: pathlib.Path) -> Any:
    return gradio_client.handle_file(str(path))


def test_image_has_the_size_of_the_source_and_another_face(
    client: Any, source: Any, driving: Any, portrait: np.ndarray
) -> None:
    file, (before, after), text = client.predict(source, driving, api_name="/reenact_image")
    result = read_image(file).rgb
    assert pathlib.Path(file).name == "source-reenacted.png"
    assert result.shape == portrait.shape
    assert np.abs(result - portrait)[60:180, 170:280].mean() > 4
    # nothing was compressed on the way
    assert np.array_equal(read_image(before).rgb, portrait)
    assert np.array_equal(read_image(after).rgb, result)
    assert text.startswith("Done in ")
    assert "512 × 512 pixels.\nDrawn by Correspondence: no face is turned by more than 45°." in text
    assert "\nWeights of Correspondence: embedded correspondence (sha256 " in text


def test_results_have_the_format_size_and_rate_that_were_asked_for(client: Any, source: Any, clip: Any) -> None:
    options = {"kind": "webp", "quality": 50, "longest_px": 256}
    file, (before, _), text = client.predict(source, source, **options, api_name="/reenact_image")
    assert pathlib.Path(file).suffix == ".webp"
    assert read_image(file).rgb.shape == read_image(before).rgb.shape == (256, 256, 3)
    assert "256 × 256 pixels" in text
    options |= {"kind": "gif", "fps": 10, "system": "correspondence"}
    file, preview, text = client.predict(source, clip, **options, api_name="/reenact_video")
    assert (pathlib.Path(file).suffix, preview) == (".gif", None)
    assert "frames at 10 a second, 256 × 256 pixels" in text
    for wrong, said in (({"fps": 500}, "fps cannot be 500; it takes 0, 10"), ({"quality": 0}, "it takes 1 to 100")):
        with pytest.raises(AppError, match=said):
            client.predict(source, clip, **(options | wrong), api_name="/reenact_video")


def test_systems_are_compared_on_a_picture_and_on_a_clip(client: Any, source: Any, driving: Any, clip: Any) -> None:
    systems = ["correspondence", "dual_generator"]
    file, figures, text = client.predict(source, driving, systems=systems, api_name="/compare")
    assert (pathlib.Path(file).name, figures["frames"]) == ("source-compared.png", 1)
    assert [each["system"] for each in figures["systems"]] == systems
    assert all(each["pose_error_deg"] < 8 and each["identity"] > 0.5 for each in figures["systems"])
    assert "Weights of Dual Generator" in text
    options = {"driving_clip": clip, "systems": systems[:1], "paste_back": True}
    file, figures, _ = client.predict(source, **options, begin="0.2", api_name="/compare")
    with VideoReader(file) as reader:
        assert (reader.info.width, reader.info.height, sum(1 for _ in reader)) == (3 * 512, 512 + 30, 7)
    assert figures["frames"] == 7
    with pytest.raises(AppError, match="The driver is a picture, which has no parts"):
        client.predict(source, driving, end="1", api_name="/compare")


def test_crop_alone_is_a_square_of_the_network_size_or_more(client: Any, source: Any, driving: Any) -> None:
    options = {"motion": "relative", "paste_back": False}
    file, (before, _), _ = client.predict(source, driving, **options, api_name="/reenact_image")
    height, width, _ = read_image(file).rgb.shape
    assert height == width >= 256
    assert read_image(before).rgb.shape == (height, width, 3)


def test_video_has_rate_and_length_of_the_driving_clip(client: Any, source: Any, clip: Any) -> None:
    file, preview, text = client.predict(source, clip, api_name="/reenact_video")
    preview = preview["video"] if isinstance(preview, dict) else preview
    assert pathlib.Path(preview).read_bytes() == pathlib.Path(file).read_bytes()
    with VideoReader(file) as reader:
        frames = list(reader)
        assert (reader.info.width, reader.info.height, reader.info.fps) == (512, 512, 25)
        assert reader.info.has_audio
    assert len(frames) == 12
    assert np.abs(frames[0].astype(int) - frames[6])[60:180, 170:280].mean() > 2
    assert "12 frames at 25 a second" in text
    assert "Drawn by Correspondence: no face is turned by more than 45°." in text


def test_a_motion_is_saved_and_drives_without_its_clip(client: Any, source: Any, clip: Any) -> None:
    motion, text = client.predict(clip, api_name="/record_motion")
    assert pathlib.Path(motion).name == "driving-motion.safetensors"
    assert text == f"Saved 12 frames in {pathlib.Path(motion).stat().st_size / 1000:.0f} kB, without pictures."
    _, text = client.predict(clip, begin="0.08", end="0.28", api_name="/record_motion")
    assert text.startswith("Saved 5 frames")
    with pytest.raises(AppError, match="The driving file lasts 0.5 s; the part from 9 s is empty"):
        client.predict(clip, begin="9", api_name="/record_motion")
    options = {"driver": "file", "template": given(pathlib.Path(motion)), "mode": "standard"}
    file, _, text = client.predict(source, None, **options, api_name="/reenact_video")
    with VideoReader(file) as reader:
        assert (sum(1 for _ in reader), reader.info.fps, reader.info.has_audio) == (12, 25, False)
    assert "12 frames at 25 a second" in text
    file, _, text = client.predict(source, None, driver="shake", paste_back=False, api_name="/reenact_video")
    with VideoReader(file) as reader:
        assert sum(1 for _ in reader) == 60
    assert "no face is turned by more than 45°" in text


def test_a_clip_is_redrawn_by_the_chosen_part_of_a_motion(client: Any, clip: Any, tmp_path: pathlib.Path) -> None:
    frames = [frame for frame, _ in zip(VideoReader(ACTOR / "actor-nod.mp4"), range(10), strict=False)]
    filmed = given(write_clip(tmp_path / "nod.mp4", frames))
    options = {"motion": "relative", "regions": ["lips"], "strength": 1.5, "end": "0.6", "extend": "hold"}
    file, _, _ = client.predict(None, None, source_clip=filmed, driver="talk", **options, api_name="/reenact_video")
    assert pathlib.Path(file).name == "nod-reenacted.mp4"
    with VideoReader(file) as reader:
        results = list(reader)
        assert (reader.info.width, reader.info.fps, len(results)) == (256, 25, 15)
    changed = [np.abs(a.astype(int) - b) for a, b in zip(results, frames, strict=False)]
    assert max(each[140:190, 100:160].mean() for each in changed) > 5  # the mouth
    assert max(each[:60].mean() for each in changed) < 4
    with pytest.raises(AppError, match="The part from 5 s to 1 s is empty"):
        client.predict(None, clip, source_clip=filmed, begin="5", end="1", api_name="/reenact_video")
    with pytest.raises(AppError, match="No region is driven"):
        client.predict(None, clip, source_clip=filmed, regions=[], api_name="/reenact_video")


def test_the_source_stays_where_nothing_is_driven(client: Any, source: Any, driving: Any, portrait: np.ndarray) -> None:
    options = {"motion": "relative", "strength": 0, "crop_scale": 1.2, "crop_down": -0.1}
    file, _, _ = client.predict(source, driving, **options, api_name="/reenact_image")
    assert np.array_equal(read_image(file).rgb, portrait)


def test_large_pose_side_by_side_is_three_pictures_wide(client: Any, source: Any, clip: Any) -> None:
    options = {"side_by_side": True, "mode": "large_pose"}
    file, _, text = client.predict(source, clip, **options, api_name="/reenact_video")
    with VideoReader(file) as reader:
        assert (reader.info.width, reader.info.height) == (3 * 512, 512)
        assert len(list(reader)) == 12
    assert "Drawn by Dual Generator, as chosen." in text


@pytest.mark.parametrize(
    ("settings", "system", "drawn"),
    [
        ({"26": 4, "yaw": 15}, "auto", "facegan"),
        ({"26": 4, "yaw": 60}, "auto", "dual_generator"),
        ({"yaw": 15}, "dual_generator", "dual_generator"),
    ],
)
def test_edited_face_changes_and_distant_pixels_do_not(
    client: Any, source: Any, portrait: np.ndarray, settings: dict[str, float], system: str, drawn: str
) -> None:
    file, text = client.predict(source, settings, system=system, api_name="/edit")
    result = read_image(file).rgb
    assert result.shape == portrait.shape
    assert np.abs(result - portrait)[60:180, 170:280].mean() > 2
    assert np.array_equal(result[400:], portrait[400:])
    assert f"Drawn by {CATALOG[drawn].title}" in text
    assert f"embedded {drawn} (sha256 " in text


def test_edit_of_nothing_but_the_background_keeps_the_person(
    client: Any, source: Any, portrait: np.ndarray, tmp_path: pathlib.Path
) -> None:
    file, text = client.predict(source, api_name="/edit")
    assert np.array_equal(read_image(file).rgb, portrait)
    assert "Weights" not in text  # nothing was drawn
    write_image(tmp_path / "hall.png", np.full((30, 200, 3), (0, 255, 0), np.uint8))
    hall = given(tmp_path / "hall.png")
    file, _ = client.predict(source, background="picture", background_picture=hall, api_name="/edit")
    assert read_image(file).rgb[0, 0].tolist() == [0, 255, 0]
    file, _ = client.predict(source, {"26": 1}, background="none", api_name="/edit")
    assert read_image(file).alpha is not None


def test_turntable_rotates_the_head_from_end_to_end(client: Any, source: Any) -> None:
    options = {"seconds": 0.2, "from_yaw": -40, "to_yaw": 40, "paste_back": False}
    file, text = client.predict(source, **options, api_name="/turntable")
    assert pathlib.Path(file).name == "source-turntable.mp4"
    assert "5 frames" in text
    with VideoReader(file) as reader:
        frames = [frame.astype(int) for frame in reader]
    assert len(frames) == 5
    assert np.abs(frames[0] - frames[-1]).mean() > 4


def test_key_frames_make_a_clip(client: Any, source: Any) -> None:
    frames = [{"time_s": 0}, {"time_s": 0.2, "yaw_deg": 15}, {"time_s": 0.4}]
    keys = {"format_version": 1, "kind": "reenact-keyframes", "frames": frames}
    file, text = client.predict(source, keys, 10, api_name="/keyframes")
    with VideoReader(file) as reader:
        assert (sum(1 for _ in reader), reader.info.fps) == (5, 10)
    assert "5 frames" in text and "Drawn by FACEGAN" in text


def test_every_frame_of_a_clip_is_edited(client: Any, tmp_path: pathlib.Path) -> None:
    frames = [frame for frame, _ in zip(VideoReader(ACTOR / "actor-nod.mp4"), range(4), strict=False)]
    filmed = given(write_clip(tmp_path / "nod.mp4", frames))
    file, text = client.predict(filmed, {"26": 4}, api_name="/edit_clip")
    assert pathlib.Path(file).name == "nod-edited.mp4"
    assert "4 frames, 256 × 256 pixels" in text and "Drawn by FACEGAN" in text
    keys = {"format_version": 1, "kind": "reenact-keyframes", "frames": [{"time_s": 0}, {"time_s": 0.12, "yaw_deg": 9}]}
    keyed, _ = client.predict(filmed, frames=keys, api_name="/edit_clip")
    opened, turned = (
        [
            np.abs(made.astype(int) - own)[140:200, 90:170].mean()
            for made, own in zip(VideoReader(path), frames, strict=True)
        ]
        for path in (file, keyed)
    )
    assert min(opened) > 2 * turned[0] and turned[-1] > 2 * turned[0]
    with pytest.raises(AppError, match="There is no source clip yet: give one"):
        client.predict(None, api_name="/edit_clip")


def test_rotated_head_is_a_large_pose_to_the_image_tab(
    client: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # how far a drawn head appears to be turned depends on the weights
    monkeypatch.setattr("reenact.pipeline.large_pose.LARGE_POSE_DEG", 25.0)
    rotated, _ = client.predict(source, {"yaw": 60}, paste_back=False, api_name="/edit")
    driver = gradio_client.handle_file(rotated)
    _, _, text = client.predict(source, driver, paste_back=False, api_name="/reenact_image")
    assert "Drawn by Dual Generator: the face in the driving picture is turned by" in text
    _, _, text = client.predict(driver, source, paste_back=False, mode="standard", api_name="/reenact_image")
    assert "Drawn by Correspondence, as chosen." in text


def test_several_faces_are_noted_in_words_of_the_page(
    client: Any, driving: Any, astronaut: np.ndarray, tmp_path: pathlib.Path
) -> None:
    write_image(tmp_path / "two.png", np.concatenate([astronaut, astronaut], axis=1))
    _, _, text = client.predict(given(tmp_path / "two.png"), driving, api_name="/reenact_image")
    assert "Note: The source picture: 2 faces found" in text
    assert "option “Face in the source”" in text
    assert "--" not in text


def test_each_face_has_a_driver_of_its_own(
    client: Any, source: Any, driving: Any, clip: Any, astronaut: np.ndarray, tmp_path: pathlib.Path
) -> None:
    write_image(tmp_path / "two.png", np.concatenate([astronaut, astronaut], axis=1))
    two = given(tmp_path / "two.png")
    faces = [(slice(60, 180), slice(left, left + 110)) for left in (170, 682)]
    own = {"2": source, "1": {"path": driving, "face": 1}}
    file, _, _ = client.predict(two, drivers=own, system="correspondence", api_name="/reenact_image")
    change = np.abs(read_image(file).rgb.astype(int) - np.concatenate([astronaut, astronaut], axis=1))
    assert sorted(change[face].mean() > 4 for face in faces) == [False, True]
    options = {"fps": 10, "end": "0.4", "system": "correspondence"}
    file, _, _ = client.predict(two, None, drivers={"1": "nod", "2": clip}, **options, api_name="/reenact_video")
    with VideoReader(file) as reader:
        first, *_, last = (frame.astype(int) for frame in reader)
        assert (reader.info.width, reader.info.fps) == (1024, 10)
    assert all(np.abs(last - first)[face].mean() > 1 for face in faces)
    with pytest.raises(AppError, match="There is no motion 'yawn'"):
        client.predict(two, None, drivers={"1": "yawn", "2": clip}, api_name="/reenact_video")


@pytest.mark.parametrize(
    ("endpoint", "files", "options", "said"),
    [
        ("/reenact_image", [None, None], {}, "There is no source picture yet"),
        ("/reenact_image", ["source.png", "wall.png"], {}, "^The driving picture: No face found"),
        ("/reenact_image", ["empty.png", "driving.png"], {}, "^The source picture.* is empty"),
        ("/reenact_image", ["letter.png", "driving.png"], {}, "^The source picture.* holds text, not a picture"),
        ("/reenact_image", ["source.png", "driving.png"], {"restore": True}, "This page does not restore faces"),
        ("/reenact_image", ["source.png", "driving.png"], {"source_face": 2}, "Face 2 was asked for, but"),
        ("/reenact_video", ["source.png", "source.png"], {}, "^The driving file is a picture .PNG.; a clip is needed"),
        ("/reenact_video", ["source.png", None], {"driver": "file"}, "There is no saved motion yet: give one, or"),
        ("/reenact_video", ["source.png", None], {}, "There is no driving clip yet"),
        (
            "/reenact_video",
            ["source.png", None],
            {"driver": "nod", "side_by_side": True},
            "^Motion nod is a motion template",
        ),
        ("/reenact_video", ["source.png", "long.mp4"], {}, "lasts 31.0 s; this page takes clips of up to 30 s"),
        ("/edit", ["wall.png"], {"settings": {"12": 1}}, "^The source picture: No face found"),
        ("/edit", ["source.png"], {"settings": {"yaw": 100}}, "The yaw is set to 100"),
        ("/edit", ["source.png"], {"background": "picture"}, "There is no background picture yet"),
        ("/turntable", ["source.png"], {"to_yaw": 91}, "The yaw is set to 91"),
        ("/turntable", ["source.png"], {"seconds": None}, "The length of the clip in seconds is set to None"),
        ("/turntable", ["source.png"], {"from_yaw": "abc"}, r"The yaw of the first frame \(from_yaw\) is set to 'abc'"),
    ],
)
def test_impossible_requests_get_a_message_and_leave_no_file(
    client: Any,
    cache: pathlib.Path,
    wrong_files: pathlib.Path,
    endpoint: str,
    files: list[str | None],
    options: dict[str, Any],
    said: str,
) -> None:
    before = left_over(cache)
    sent = [None if name is None else given(wrong_files / name) for name in files]
    with pytest.raises(AppError, match=said) as caught:
        client.predict(*sent, **options, api_name=endpoint)
    assert str(cache) not in str(caught.value)
    assert left_over(cache) == before


@pytest.fixture(scope="module")
def wrong_files(material: pathlib.Path) -> pathlib.Path:
    """The material, and files that the page cannot use."""
    write_image(material / "wall.png", np.full((300, 400, 3), 128, np.uint8))
    (material / "empty.png").write_bytes(b"")
    (material / "letter.png").write_text("To whom it may concern\n")
    write_clip(material / "long.mp4", [np.zeros((32, 32, 3), np.uint8)] * (31 * 25))
    return material


@pytest.fixture(scope="module")
def long_clip(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    frames = [swayed(astronaut, 3 * np.sin(i / 9), 0) for i in range(50)] * 8
    return write_clip(tmp_path_factory.mktemp("long") / "long.mp4", frames)


@pytest.mark.parametrize("how", ["stop", "cancel", "leave"])
def test_a_stopped_cancelled_or_left_job_ends_and_leaves_nothing(
    client: Any, source: Any, long_clip: pathlib.Path, cache: pathlib.Path, how: str
) -> None:
    assert client.predict(api_name="/stop") == "Nothing is running."
    before = left_over(cache)
    caller = client if how != "leave" else gradio_client.Client(client.src, verbose=False)
    job = caller.submit(source, given(long_clip), api_name="/reenact_video")
    assert waited(lambda: any(".partial" in name for name in left_over(cache)))
    assert job.status().code.name in ("PROGRESS", "PROCESSING")
    if how == "stop":
        assert client.predict(api_name="/stop") == "Stopped; nothing was written."
        with pytest.raises(AppError, match="Stopped; nothing was written"):
            job.result(timeout=30)
    elif how == "cancel":
        assert job.cancel()
    else:
        caller.close()
    assert waited(lambda: left_over(cache) == before)


def test_a_job_that_waits_is_stopped_and_says_so(client: Any, source: Any, clip: Any, long_clip: pathlib.Path) -> None:
    other = gradio_client.Client(client.src, verbose=False)
    ahead = other.submit(source, given(long_clip), api_name="/reenact_video")
    assert waited(lambda: ahead.status().code.name in ("PROGRESS", "PROCESSING"))
    job = client.submit(source, clip, api_name="/reenact_video")
    assert waited(lambda: job.status().code.name == "IN_QUEUE")
    assert client.predict(api_name="/stop") == "Stopped; nothing was written."
    with pytest.raises(AppError, match="Stopped; nothing was written"):
        job.result(timeout=30)
    assert client.predict(api_name="/stop") == "Nothing is running."
    assert not ahead.done()  # another visitor's
    other.predict(api_name="/stop")
    other.close()


def waited(for_what: Callable[[], bool]) -> bool:
    """Whether something happens within a minute."""
    deadline = time.monotonic() + 60
    while not for_what() and time.monotonic() < deadline:
        time.sleep(0.05)
    return for_what()
