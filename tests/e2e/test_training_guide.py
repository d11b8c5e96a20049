"""Every command of docs/training.md, as written: from clips over training and a Hub to pictures of the page."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import reenact
from reenact.media import read_image
from reenact.provenance.watermark import add_watermark
from tests.e2e.conftest import swayed, write_clip
from tests.hub_client import hub_environment
from tests.hub_server import served_hub
from tests.page_server import started_page

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = """
CLIPS=clips
FACES=runs/faces
RUN=runs/mine
STEPS=2
BATCH=1
PAIRS=4
REPO=your-name/my-faces
"""


def boxes(page: pathlib.Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def picture_of(page: str, folder: pathlib.Path) -> tuple[np.ndarray, str]:
    """The picture that the page draws of the portrait, as downloaded, and its notes."""
    client = gradio_client.Client(page, verbose=False, download_files=str(folder / "downloads"))
    pictures = [gradio_client.handle_file(str(folder / name)) for name in ("portrait.jpg", "driving.jpg")]
    file, _, text = client.predict(*pictures, api_name="/reenact_image")
    client.close()
    return read_image(file).rgb, text


@pytest.mark.processes
def test_from_clips_to_a_published_model(
    tmp_path: pathlib.Path,
    astronaut: np.ndarray,
    material: pathlib.Path,
    weights: dict[str, pathlib.Path],
    embedded: object,
) -> None:
    first, *rest = boxes(ROOT / "docs" / "training.md")
    names = re.findall(r"^(\w+)=", first, re.MULTILINE)
    assert names == re.findall(r"^(\w+)=", SMALL, re.MULTILINE), "the test sets what the guide sets"
    (tmp_path / "clips").mkdir()
    for name in ("actor-talk.mp4", "actor-nod.mp4"):
        shutil.copy(ROOT / "examples" / "driving" / name, tmp_path / "clips")
    frames = [swayed(astronaut, 6 * np.sin(i / 6), 10 * np.sin(i / 8)) for i in range(40)]
    write_clip(tmp_path / "clips" / "astronaut.mp4", frames)
    for name in ("train", "checkpoints"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(material / "source.png", tmp_path / "portrait.jpg")
    shutil.copy(material / "driving.png", tmp_path / "driving.jpg")

    with served_hub() as server:
        environment = hub_environment(server, tmp_path / "hub") | {
            "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HF_TOKEN": "hf_write",
        }
        script = "set -eu\n" + SMALL + "\n".join(rest)
        run = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
        commit = server.repos["your-name/my-faces"].branches["main"]
        with started_page(tmp_path, "--weights", "correspondence=your-name/my-faces", environment=environment) as page:
            shown, text = picture_of(page, tmp_path)
    for made in ("runs/faces/report.html", "runs/mine/export/model.safetensors", "mine.png", "theirs.png"):
        assert (tmp_path / made).stat().st_size > 0
    assert (tmp_path / "mine.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()
    assert f"your-name/my-faces@{commit[:8]}" in text
    np.testing.assert_array_equal(shown, read_image(tmp_path / "mine.png").rgb)
    embedded_drawn = reenact.reenact_image(tmp_path / "portrait.jpg", tmp_path / "driving.jpg").rgb
    assert not np.array_equal(shown, add_watermark(embedded_drawn))
