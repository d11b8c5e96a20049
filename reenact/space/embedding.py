"""The page inside other pages: one tab without a frame, and the script of the web component."""

import pathlib

import gradio as gr
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

ADDRESS = """(() => {
  const component = document.querySelector("gradio-app[src]");
  return component ? new URL(component.getAttribute("src"), location.href) : new URL(location.href);
})()"""
"""JavaScript: the address of the page, which is that of the web component where one shows it."""

_STYLE = """
.page-intro, .page-share, .page-tabs > .tab-wrapper, gradio-app footer { display: none !important; }
.page-note { display: block !important; padding: 8px; }
gradio-app .gradio-container, gradio-app .gradio-container .main.app {
  max-width: none !important; min-height: 0 !important; padding: 0 !important; margin: 0 !important;
}
.page-tabs > .tabitem { padding: 8px !important; border: 0 !important; }
"""
SCRIPT = f"""() => {{
  if ({ADDRESS}.searchParams.get("embed") !== "1" || document.getElementById("reenact-embed")) return;
  const style = document.createElement("style");
  style.id = "reenact-embed";
  style.textContent = {_STYLE!r};
  document.head.append(style);
}}"""
"""JavaScript: take the frame away where the address asks for it."""

HEAD = f'<style id="reenact-embed">{_STYLE}</style>'
"""The same for a page that is not drawn yet."""


def is_embedded(query: bytes) -> bool:
    """Whether the query of a request asks for the page without its frame."""
    return b"embed=1" in query.split(b"&")


def routes() -> list[Route]:
    """``/gradio.js``, with which other pages show this one as ``<gradio-app src="...">``."""
    script = pathlib.Path(gr.__file__).parent / "templates" / "frontend" / "gradio.js"

    async def answer(_: Request) -> FileResponse:
        return FileResponse(script, media_type="text/javascript")

    return [Route("/gradio.js", answer)]
