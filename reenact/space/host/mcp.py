"""The endpoints as tools of the Model Context Protocol: gradio's server, for a page that fetches no addresses."""

import functools
import importlib.metadata
import importlib.util
from typing import Any

from reenact.errors import MissingDependencyError

_FILE = "a file: a data: URL in base64, or the address of a file that was uploaded to this server or made by it"
_FILES = (
    " Files are sent as data: URLs in base64, or uploaded first (POST /gradio_api/upload, whose paths follow"
    " /gradio_api/file= in an address of this server); other addresses are refused."
)


@functools.cache
def prepare_mcp() -> None:
    """Let gradio's MCP server describe files as this page takes them, and answer with each result by itself.

    All MCP clients share one session, so that ``/stop``, which stops the runs of a session, is no tool.

    Raises:
        MissingDependencyError: the library is missing, or too new for gradio.
    """
    if importlib.util.find_spec("mcp") is None or int(importlib.metadata.version("mcp").partition(".")[0]) >= 2:
        raise MissingDependencyError(
            "MCP clients need the library mcp in version 1, which gradio uses: run `pip install '.[mcp]'`."
        )
    import gradio.mcp

    class Server(gradio.mcp.GradioMCPServer):
        """Gradio's server, where it describes and answers."""

        @property
        def _file_data_tool_description(self) -> str:
            return _FILES

        def get_tool_to_endpoint(self) -> dict[str, str]:
            tools = super().get_tool_to_endpoint()
            return {tool: endpoint for tool, endpoint in tools.items() if endpoint != "/stop"}

        def simplify_filedata_schema(self, schema: dict[str, Any]) -> Any:
            simple, positions = super().simplify_filedata_schema(schema)
            for name, *_ in positions:
                simple["properties"][name]["format"] = _FILE
            return simple, positions

        def postprocess_output_data(self, data: Any, root_url: str) -> Any:
            """Results without pairs for comparing, which are lists; gradio nests all where no progress is shown."""
            results: list[Any] = data[0] if len(data) == 1 and isinstance(data[0], (list, tuple)) else data
            shown = [each for each in results if each is not None and not isinstance(each, (list, tuple))]
            return super().postprocess_output_data(shown, root_url)

    gradio.mcp.GradioMCPServer = Server
