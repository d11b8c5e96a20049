"""What programs are told about the endpoints; `tests/unit/space/api.txt` holds it, and programs of others rely on it.

Add parameters at the end and take nothing away. `REENACT_WRITE_GOLDEN=1 pytest tests/unit/space/test_api.py` writes the
file anew; look at the difference before you commit it.
"""

import os
import pathlib
from typing import Any

import pytest
from gradio.routes import App
from starlette.testclient import TestClient

from reenact.space.host.options import HostOptions
from reenact.space.host.schema import parameter_texts, with_flat_text
from reenact.space.models import Models
from reenact.space.page import build_page
from reenact.space.service import Service
from reenact.space.widgets.runs import Runs

SNAPSHOT = pathlib.Path(__file__).with_name("api.txt")


@pytest.fixture(scope="module")
def info() -> Any:
    return build_page(Models()).get_api_info()["named_endpoints"]


def written(info: Any) -> str:
    """One line for each endpoint and each parameter."""
    lines = list[str]()
    for name, endpoint in sorted(info.items()):
        returned = ", ".join(f"{each['component']}: {each['python_type']['type']}" for each in endpoint["returns"])
        lines.append(f"{name} -> {returned}")
        for each in endpoint["parameters"]:
            schema, limits = each["type"], ""
            if "minimum" in schema:
                limits = f", {schema['minimum']:g} to {schema['maximum']:g}"
            default = f" = {each['parameter_default']!r}" if each["parameter_has_default"] else ""
            lines.append(f"    {each['parameter_name']}: {each['python_type']['type']}{limits}{default}")
    return "\n".join(lines) + "\n"


def test_endpoints_are_those_that_programs_rely_on(info: Any) -> None:
    if os.environ.get("REENACT_WRITE_GOLDEN"):
        SNAPSHOT.write_text(written(info), encoding="utf-8")
    assert "str | float | bool | list | dict" not in written(info) and "Any" not in written(info)
    assert written(info).splitlines() == SNAPSHOT.read_text(encoding="utf-8").splitlines()


def test_every_endpoint_and_parameter_is_described_by_itself(info: Any) -> None:
    for name, endpoint in info.items():
        texts = {each["parameter_name"]: each["type"]["description"] for each in endpoint["parameters"]}
        for text in (endpoint["description"], *texts.values()):
            assert text.endswith(".") and "As for" not in text and "The same" not in text, (name, texts)


def test_openapi_has_the_same_parameters_and_files_as_objects(info: Any) -> None:
    page = build_page(Models())
    options = Service(page, Models(), Runs(), HostOptions()).launch_options()
    app = App.create_app(page, app_kwargs=options["app_kwargs"])
    document = TestClient(app, base_url="http://faces").get("/openapi.json").json()
    assert document["servers"] == [{"url": "http://faces"}]
    for name, endpoint in info.items():
        post = document["paths"][f"/gradio_api/call/v2{name}"]["post"]
        body = post["requestBody"]["content"]["application/json"]["schema"]
        assert [*body["properties"]] == [each["parameter_name"] for each in endpoint["parameters"]]
    edit = document["paths"]["/gradio_api/call/v2/edit"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert edit["required"] == ["source"]
    assert edit["properties"]["source"]["$ref"] == "#/components/schemas/File"
    assert edit["properties"]["mode"]["default"] == "relative"


def test_each_part_of_a_docstring_becomes_one_line() -> None:
    def draw(size: int, name: str) -> str:
        return name * size

    draw.__doc__ = """Draw a picture
        of a face.

        Args:
            size: In pixels: the larger,
                the slower.
            name: Of ``it``.

        Returns:
            A path;
            notes.
        """
    assert parameter_texts(draw) == {"size": "In pixels: the larger, the slower.", "name": "Of `it`."}
    flat = with_flat_text(draw)
    assert flat.__doc__ == (
        "Draw a picture of a face.\n\nArgs:\n    size: In pixels: the larger, the slower.\n    name: Of `it`.\n"
        "\nReturns:\n    A path; notes.\n"
    )
    assert flat(2, "a") == "aa"
