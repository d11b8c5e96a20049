"""The panel "Embed": code for other pages and for programs, with the settings of the open tab."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from reenact.space.embedding import ADDRESS
from reenact.space.snippets import IFRAME, KINDS, MCP, Call, snippet
from reenact.space.widgets.events import QUICK
from reenact.space.widgets.linked import Linked

_LONGEST_ADDRESS = 300
_READ = f"""(kind, server, tab, ...values) => {{
  const address = {ADDRESS};
  return [kind, (address.origin + address.pathname).replace(/\\/+$/, ""), window.reenactTab || "", ...values];
}}"""


class SharePart:
    """The components, in an accordion below the tabs."""

    def __init__(self, linked: Mapping[str, Linked], *, mcp: bool = False, has_keys: bool = False) -> None:
        """Create and connect them.

        Args:
            linked: settings by tab, the first tab first.
            mcp: whether the page serves MCP clients.
            has_keys: whether programs need a key.
        """
        self._linked, self._has_keys = linked, has_keys
        kinds = [each for each in KINDS if mcp or each != MCP]
        with gr.Accordion("Embed", open=False, elem_classes="page-share") as panel:
            gr.Markdown("This tab with its present settings, for other pages and for programs.")
            with gr.Row():
                kind = gr.Radio(kinds, value=IFRAME, label="Code", show_label=False, scale=5, min_width=300)
                again = gr.Button("Read the settings again", size="sm", min_width=160, scale=1)
            code = gr.Code(label="Code", interactive=False, language="html", lines=1, wrap_lines=True)
        server, tab = gr.Textbox(visible=False), gr.Textbox(visible=False)
        settings = [each for tab_settings in linked.values() for each in tab_settings.components.values()]
        gr.on(
            [panel.expand, kind.input, again.click],
            self._show,
            [kind, server, tab, *settings],
            code,
            js=_READ,
            show_progress="hidden",
            **QUICK,
        )

    def _show(self, kind: str, server: str, tab: str, *values: Any) -> gr.Code:
        text, language = snippet(kind, self.call(server, tab, *values))
        return gr.Code(text, language=language)  # type: ignore[arg-type]

    def call(self, server: str, tab: str, *values: Any) -> Call:
        """What the open tab would ask; `values` of the settings of all tabs."""
        given, left = dict[str, list[Any]](), list(values)
        for name, linked in self._linked.items():
            given[name], left = left[: len(linked.components)], left[len(linked.components) :]
        name = tab if tab in self._linked else next(iter(self._linked))
        linked, settings = self._linked[name], self._linked[name].changed(given[name])
        files: dict[str, str | None] = dict(linked.files)
        if "driver" in settings:  # a motion drives in place of a clip
            files["driving"] = None
        key = "KEY" if self._has_keys else None
        return Call(server[:_LONGEST_ADDRESS], name, linked.endpoint, files, settings, key)
