"""The whole page, and how it is launched."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from reenact.space import examples
from reenact.space.about import ABOUT, INTRODUCTION
from reenact.space.editor_tab import EditorTab
from reenact.space.face_layout import CSS as FACE_CSS
from reenact.space.image_tab import ImageTab
from reenact.space.models import EDITING, LARGE_POSE, Models, has_weights
from reenact.space.pose_layout import CSS as POSE_CSS
from reenact.space.pose_tab import PoseTab
from reenact.space.runs import Runs
from reenact.space.video_tab import VideoTab

_DELETE_EVERY_S, _DELETE_AFTER_S = 1800, 3600

_CSS = """
.gradio-container { width: 100%; max-width: 1280px !important; margin: 0 auto !important; overflow: clip !important; }
.gradio-container .main.app { padding-inline: clamp(12px, 3vw, 32px) !important; }
.driving-clip video { max-height: 258px; object-fit: contain; }
@media (max-width: 480px) {
  .tab-container button { padding-inline: 5px !important; font-size: var(--text-sm) !important; }
}
"""


def build_page(models: Models, *, editor: bool | None = None, large_pose: bool | None = None) -> gr.Blocks:
    """All tabs; nothing is loaded by building it.

    Args:
        models: gives the handlers their engines.
        editor: whether to offer the expression editor; if None, where its weights are installed.
        large_pose: whether to offer the large-pose mode and the head pose tab; likewise.
    """
    runs = Runs()
    large_pose = has_weights(LARGE_POSE) if large_pose is None else large_pose
    by_hand: dict[str, EditorTab | PoseTab] = {}
    if has_weights(EDITING) if editor is None else editor:
        by_hand["Expression editor"] = EditorTab(models, runs)
    if large_pose:
        by_hand["Head pose"] = PoseTab(models, runs)
    with gr.Blocks(
        title="Reenact",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(_DELETE_EVERY_S, _DELETE_AFTER_S),
    ) as page:
        gr.Markdown(INTRODUCTION)
        with gr.Tabs():
            with gr.Tab("Image"):
                ImageTab(models, large_pose=large_pose).build()
            with gr.Tab("Video"):
                VideoTab(models, runs, large_pose=large_pose).build()
            for name, tab in by_hand.items():
                with gr.Tab(name):
                    tab.build()
            with gr.Tab("About"):
                gr.Markdown(ABOUT)
        page.unload(_stopper(runs))
        for tab in by_hand.values():
            page.unload(_forgetter(tab))
    page.queue(max_size=20)
    return page


def _stopper(runs: Runs) -> Callable[[gr.Request], None]:
    def stop(request: gr.Request) -> None:
        """Nobody waits for what a closed page was making."""
        runs.stop(request)

    return stop


def _forgetter(tab: EditorTab | PoseTab) -> Callable[[gr.Request], None]:
    def forget(request: gr.Request) -> None:
        """Nobody looks at a closed page's previews."""
        tab.forget(request)

    return forget


def launch_options() -> dict[str, Any]:
    """Arguments of ``launch``: nothing is kept, nothing is fetched from elsewhere."""
    fonts = ("ui-sans-serif", "system-ui", "sans-serif")
    return {
        "theme": gr.themes.Soft(font=fonts, font_mono=("ui-monospace", "Consolas", "monospace")),
        "css": _CSS + FACE_CSS + POSE_CSS,
        "max_file_size": "200mb",
        "allowed_paths": [str(examples.FOLDER / "portraits"), str(examples.FOLDER / "driving")],
        "run_history": False,
        "footer_links": ["api"],
        "ssr_mode": False,
        "share": False,
        "enable_monitoring": False,
    }
