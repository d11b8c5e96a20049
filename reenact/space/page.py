"""The whole page, and how it is launched."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from reenact.space import examples
from reenact.space.about import ABOUT, INTRODUCTION
from reenact.space.editor_tab import EditorTab
from reenact.space.face_layout import CSS as FACE_CSS
from reenact.space.image_tab import ImageTab
from reenact.space.models import EDITING, Models, has_weights
from reenact.space.runs import Runs
from reenact.space.video_tab import VideoTab

_DELETE_EVERY_S, _DELETE_AFTER_S = 1800, 3600

_CSS = """
.gradio-container { width: 100%; max-width: 1280px !important; margin: 0 auto !important; overflow: clip !important; }
.gradio-container .main.app { padding-inline: clamp(12px, 3vw, 32px) !important; }
.driving-clip video { max-height: 258px; object-fit: contain; }
@media (max-width: 480px) {
  .tab-container button { padding-inline: 8px !important; }
}
"""


def build_page(models: Models, *, editor: bool | None = None) -> gr.Blocks:
    """All tabs; nothing is loaded by building it.

    Args:
        models: gives the handlers their engines.
        editor: whether to offer the expression editor; if None, where its weights are installed.
    """
    runs = Runs()
    editor_tab = EditorTab(models, runs) if (has_weights(EDITING) if editor is None else editor) else None
    with gr.Blocks(
        title="Reenact",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(_DELETE_EVERY_S, _DELETE_AFTER_S),
    ) as page:
        gr.Markdown(INTRODUCTION)
        with gr.Tabs():
            with gr.Tab("Image"):
                ImageTab(models).build()
            with gr.Tab("Video"):
                VideoTab(models, runs).build()
            if editor_tab is not None:
                with gr.Tab("Expression editor"):
                    editor_tab.build()
            with gr.Tab("About"):
                gr.Markdown(ABOUT)
        page.unload(_stopper(runs))
        if editor_tab is not None:
            page.unload(_forgetter(editor_tab))
    page.queue(max_size=20)
    return page


def _stopper(runs: Runs) -> Callable[[gr.Request], None]:
    def stop(request: gr.Request) -> None:
        """Nobody waits for what a closed page was making."""
        runs.stop(request)

    return stop


def _forgetter(editor_tab: EditorTab) -> Callable[[gr.Request], None]:
    def forget(request: gr.Request) -> None:
        """Nobody looks at a closed page's previews."""
        editor_tab.forget(request)

    return forget


def launch_options() -> dict[str, Any]:
    """Arguments of ``launch``: nothing is kept, nothing is fetched from elsewhere."""
    fonts = ("ui-sans-serif", "system-ui", "sans-serif")
    return {
        "theme": gr.themes.Soft(font=fonts, font_mono=("ui-monospace", "Consolas", "monospace")),
        "css": _CSS + FACE_CSS,
        "max_file_size": "200mb",
        "allowed_paths": [str(examples.FOLDER / "portraits"), str(examples.FOLDER / "driving")],
        "run_history": False,
        "footer_links": ["api"],
        "ssr_mode": False,
        "share": False,
        "enable_monitoring": False,
    }
