"""`python app.py`, as a stranger starts it."""

import os
import pathlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from reenact.media import read_image

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def address(tmp_path: pathlib.Path) -> Iterator[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRADIO_SERVER")}
    environment |= {"GRADIO_TEMP_DIR": str(tmp_path / "cache"), "PYTHONUNBUFFERED": "1"}
    # from another folder: the page must not depend on where it is started
    command = [sys.executable, str(REPOSITORY / "app.py"), "--weights", "correspondence=anna/none"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as app:
        assert app.stdout is not None
        kill = threading.Timer(120, app.kill)
        kill.start()
        try:
            said = ""
            for line in app.stdout:
                said += line
                if found := re.search(r"http://[\w.:]+", line):
                    break
            else:
                pytest.fail(f"app.py ended without serving a page:\n{said}")
            yield found.group()
        finally:
            kill.cancel()
            app.terminate()
            app.wait(timeout=30)


@pytest.mark.processes
@pytest.mark.usefixtures("weights")
def test_app_answers_with_the_embedded_weights_where_the_hosts_are_missing(
    address: str, tmp_path: pathlib.Path
) -> None:
    client = gradio_client.Client(address, verbose=False, download_files=str(tmp_path / "downloads"))
    pictures = (REPOSITORY / "examples/portraits/astronaut.jpg", REPOSITORY / "examples/driving/actor-smile.jpg")
    file, _, text = client.predict(*map(gradio_client.handle_file, map(str, pictures)), api_name="/reenact_image")
    client.close()
    assert "The weights set for Correspondence could not be loaded; the embedded ones draw." in text
    assert read_image(file).rgb.shape == read_image(pictures[0]).rgb.shape
