"""How events are connected: which queue they wait in, and what the browser does with files."""

from typing import Any

import gradio as gr
from gradio.events import Dependency

QUICK: dict[str, Any] = {"queue": False, "api_visibility": "private"}
"""Outside the queue. An error would not reach the visitor from here, so these handlers raise none."""
DRAWING: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "edit", "concurrency_limit": 1}
MOVING: dict[str, Any] = {"show_progress": "hidden", **DRAWING}
"""For previews while a slider moves: they come too fast for a progress bar."""
LAST_ONE: dict[str, Any] = {"trigger_mode": "always_last", **MOVING}
"""While one preview is drawn, only the newest of the waiting requests is kept."""
FILES: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "edit_files", "concurrency_limit": 1}
LIGHT = ("edit", "crop", "faces", "verify", "check")
"""Queues of what is quick and goes along with other work; everything else is a run."""
STOPPED_QUEUES = ("video", "compare", "edit_files")
"""Queues of what Stop ends."""
PROGRAMS: dict[str, Any] = {"concurrency_id": "edit_files", "concurrency_limit": 1}
"""For public endpoints."""

_SAVE = """(file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name || "";
  document.body.append(link);
  link.click();
  link.remove();
}"""


def save_in_browser(ran: Dependency, file: gr.File) -> None:
    """After a run has succeeded, let the browser save its (invisible) file."""
    ran.success(None, file, None, js=_SAVE, **QUICK)


def allow_download(ran: Dependency, button: gr.DownloadButton) -> None:
    """Enable the download button after a run has succeeded."""
    ran.success(_enabled, outputs=button, show_progress="hidden", **QUICK)


def _enabled() -> gr.DownloadButton:
    return gr.DownloadButton(interactive=True)
