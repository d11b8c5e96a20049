"""The page through a real MCP client."""

import asyncio
import base64
import importlib.metadata
import pathlib
from typing import Any

import pytest

from tests.page_server import served_page

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
if int(importlib.metadata.version("mcp").partition(".")[0]) >= 2:
    pytest.skip("the extra mcp is not installed: mcp is too new for gradio", allow_module_level=True)

ASTRONAUT = pathlib.Path(__file__).parents[2] / "examples" / "portraits" / "astronaut.jpg"
FILES = {"source", "driving", "template", "source_clip", "background_picture"}


@pytest.mark.slow
@pytest.mark.usefixtures("all_weights")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_tools_are_described_whole_and_draw(tmp_path: pathlib.Path) -> None:
    from mcp.client.streamable_http import streamablehttp_client

    async def visit(address: str) -> None:
        async with (
            streamablehttp_client(f"{address}gradio_api/mcp/", headers={"X-API-Key": "key"}) as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            check_descriptions((await session.list_tools()).tools)
            picture = f"data:image/jpeg;base64,{base64.b64encode(ASTRONAUT.read_bytes()).decode()}"
            drawn = (await session.call_tool("edit", {"source": picture, "settings": {"12": 3.0}})).content
            assert [part.type for part in drawn] == ["image", "text", "text"]
            assert drawn[2].text.startswith("Done in ")
            # a result of the page is a source, another address is none
            result = drawn[1].text.removeprefix("Image URL: ")
            for source, said in (
                (result, "Done in "),
                ("http://127.0.0.1:9/face.png", "The page fetches no addresses"),
            ):
                answer = await session.call_tool("edit", {"source": source})
                assert any(said in getattr(part, "text", "") for part in answer.content)

    with served_page(tmp_path, mcp=True, api_keys=("key",)) as address:
        asyncio.run(visit(address))


def check_descriptions(tools: list[Any]) -> None:
    assert {"reenact_image", "reenact_video", "record_motion", "edit", "turntable", "keyframes"} <= {
        tool.name for tool in tools
    }
    assert "stop" not in {tool.name for tool in tools}
    for tool in tools:
        assert "Returns: " in tool.description
        for name, schema in tool.inputSchema["properties"].items():
            assert schema["description"].endswith("."), (tool.name, name)
            assert schema.get("anyOf") or isinstance(schema["type"], str)
            if name in FILES:
                assert schema["format"].startswith("a file: a data: URL in base64")
