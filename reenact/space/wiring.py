"""How the tabs that draw while sliders move are connected: what goes through the queue, and how."""

from typing import Any

import gradio as gr
from gradio.events import Dependency

# outside the queue an error would not reach the visitor: these handlers raise none
QUICK: dict[str, Any] = {"queue": False, "api_visibility": "private"}
DRAWING: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "edit", "concurrency_limit": 1}
MOVING: dict[str, Any] = {"show_progress": "hidden", **DRAWING}
"""While a slider moves, previews come too fast for a progress bar."""
FILES: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "edit_files", "concurrency_limit": 1}
PROGRAMS: dict[str, Any] = {"concurrency_id": "edit_files", "concurrency_limit": 1}
"""For endpoints."""
LAST_ONE: dict[str, Any] = {"trigger_mode": "always_last", **MOVING}
"""While one is drawn, of all that is asked for the last is drawn next."""

_SAVE = """(file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name || "";
  document.body.append(link);
  link.click();
  link.remove();
}"""


def save(ran: Dependency, file: gr.File) -> None:
    """Once a run has succeeded, let the browser save its file.

    Args:
        ran: gave the file.
        file: which is not seen.
    """
    ran.success(None, file, None, js=_SAVE, **QUICK)
