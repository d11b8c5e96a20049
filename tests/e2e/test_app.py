"""`python app.py`, as a stranger starts it."""

import pathlib

import pytest

from reenact.media import read_image
from tests.page_server import started_page

gradio_client = pytest.importorskip("gradio_client", reason="gradio_client is not installed")

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.processes
@pytest.mark.usefixtures("weights")
def test_app_answers_with_the_embedded_weights_where_the_hosts_are_missing(
    tmp_path: pathlib.Path,
) -> None:
    pictures = (REPOSITORY / "examples/portraits/astronaut.jpg", REPOSITORY / "examples/driving/actor-smile.jpg")
    # from another folder: the page must not depend on where it is started
    with started_page(tmp_path, "--weights", "correspondence=anna/none") as address:
        client = gradio_client.Client(address, verbose=False, download_files=str(tmp_path / "downloads"))
        file, _, text = client.predict(*map(gradio_client.handle_file, map(str, pictures)), api_name="/reenact_image")
        client.close()
    assert "The weights set for Correspondence could not be loaded; the embedded ones draw." in text
    assert read_image(file).rgb.shape == read_image(pictures[0]).rgb.shape
