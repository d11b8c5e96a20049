"""The whole page and its looks."""

from typing import Any

import gradio as gr

from reenact.space import embedding
from reenact.space.about import ABOUT, CONSENT, INTRODUCTION
from reenact.space.compare_tab import CompareTab
from reenact.space.consent import CSS as CONSENT_CSS
from reenact.space.consent import FREE, ask_consent
from reenact.space.controls_tab import ControlsTab
from reenact.space.head import TITLE, head
from reenact.space.host.options import HostOptions
from reenact.space.host.schema import describe
from reenact.space.image_tab import ImageTab
from reenact.space.models import EDITING, LARGE_POSE, Models
from reenact.space.verify_tab import VerifyTab
from reenact.space.video_tab import VideoTab
from reenact.space.widgets.clip_limits import ClipLimits
from reenact.space.widgets.editor_layout import CSS as EDITOR_CSS
from reenact.space.widgets.events import QUICK
from reenact.space.widgets.remembered import Remembered, name_in_address, restore
from reenact.space.widgets.runs import Runs
from reenact.space.widgets.share_part import SharePart

_CSS = """
.gradio-container { width: 100%; max-width: 1280px !important; margin: 0 auto !important; overflow: clip !important; }
.gradio-container .main.app { padding-inline: clamp(12px, 3vw, 32px) !important; }
.faces .grid-wrap { padding-top: 40px; min-height: 0; }
input[role="combobox"] { text-overflow: ellipsis; margin-right: 20px !important; }
.prose :not(pre) > code { white-space: normal !important; overflow-wrap: anywhere; }
.gallery-item[data-motion]::after { content: attr(data-motion); display: block; font-size: var(--text-sm); }
/* a failed run keeps the last result, all of it: gradio would cover its picture alone */
[data-testid="status-tracker"]:has(> .error) { display: none !important; }
.given .gallery-item .gallery { width: 72px !important; height: 72px !important; }
.page-note, footer .divider { display: none; }
.figures th { white-space: nowrap; }
.figures td { word-break: normal !important; overflow-wrap: normal !important; }
.driving-clip video { max-height: 258px; object-fit: contain; }
input[role="combobox"]:focus-visible, label:has(> input[type="radio"]:focus-visible),
label:has(> input[type="checkbox"]:focus-visible) { outline: 2px solid var(--color-accent) !important; }
.prose pre code { white-space: pre-wrap !important; }
.prose .token.comment { color: var(--body-text-color-subdued) !important; }
.prose .token.string { color: var(--body-text-color) !important; }
@media (max-width: 700px) {
  /* on a phone the result comes right after the button, before the options */
  .work > .given { display: contents; }
  .work > .given > * { width: 100%; }
  .work > .made { order: 1; }
  .work > .given > .run ~ * { order: 2; }
  .work > .made > .block:has(.empty) { height: 180px !important; }
}
@media (max-width: 480px) {
  .tab-container button { padding-inline: 5px !important; font-size: var(--text-sm) !important; }
  .image-container button[aria-label="Fullscreen"] { display: none; }
}
"""

_COLOURS = {
    "body_background_fill": "*neutral_100",
    "color_accent": "*primary_600",
    "body_text_color_subdued": "*neutral_600",
    "block_info_text_color": "*neutral_600",
    "input_placeholder_color": "*neutral_500",
    "input_placeholder_color_dark": "*neutral_400",
    "block_label_text_color": "*primary_700",
    "block_title_text_color": "*primary_700",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_700",
    "checkbox_label_background_fill_selected": "*primary_600",
    "link_text_color": "*primary_700",
}
"""Of the theme, where its own have less contrast than WCAG AA asks of text."""


def build_page(models: Models, options: HostOptions | None = None, *, runs: Runs | None = None) -> gr.Blocks:
    """All tabs; building them loads no weights.

    Args:
        models: gives the handlers their engines, and says which systems are installed.
        options: the host's.
        runs: of visitors, which a stop of the server ends.
    """
    options, runs = options or HostOptions(), runs or Runs()
    limits = ClipLimits(options.max_seconds)
    images, videos = ImageTab(models, runs), VideoTab(models, runs, limits)
    compared = CompareTab(models, runs, limits)
    editor = ControlsTab(models, runs, limits) if models.offers(EDITING) and models.offers(LARGE_POSE) else None

    def leave(request: gr.Request) -> None:
        """Note that a visitor closed the page or loads it again, and delete the previews."""
        runs.leave(request)
        if editor is not None:
            editor.forget(request)

    with gr.Blocks(
        title=TITLE,
        analytics_enabled=False,
        fill_width=True,
    ) as page:
        gr.Markdown(INTRODUCTION, elem_classes="page-intro")
        if options.consent:
            ask_consent(page)
        kept: list[Remembered] = []
        with gr.Tabs(elem_classes="page-tabs") as tabs:
            with gr.Tab("Image", id="image") as image:
                kept.append(images.build())
            with gr.Tab("Video", id="video") as video:
                kept.append(videos.build())
            opened = {"image": image, "video": video}
            if editor is not None:
                with gr.Tab("Editor", id="editor") as opened["editor"]:
                    kept.append(editor.build())
            with gr.Tab("Compare", id="compare") as opened["compare"]:
                kept.append(compared.build())
            with gr.Tab("Verify", id="verify", elem_classes=FREE) as opened["verify"]:
                kept.append(VerifyTab().build())
            with gr.Tab("About", id="about", elem_classes=FREE) as about:
                gr.Markdown(ABOUT)
                weights = gr.Markdown()
            opened["about"] = about
        linked = {each.name: each.linked for each in kept if each.linked is not None}
        SharePart(linked, mcp=options.mcp, has_keys=bool(options.api_keys))
        gr.Markdown(CONSENT, elem_classes="page-note")
        for name, tab in opened.items():
            name_in_address(tab, name)
        restored = restore(page, tabs, kept, [*opened])
        for each in filter(None, (images, videos, editor, compared)):
            each.reopen_after(restored[each.name])
        gr.on([page.load, about.select], models.describe_weights, outputs=weights, **QUICK)
        page.load(None, js=embedding.SCRIPT, **QUICK)
        page.unload(leave)
    page.queue(max_size=options.queue, api_open=False)
    describe(page)
    return page


def look() -> dict[str, Any]:
    """Arguments of ``launch`` for theme, style sheet and head; nothing is loaded from other hosts."""
    fonts = ("ui-sans-serif", "system-ui", "sans-serif")
    theme = gr.themes.Soft(font=fonts, font_mono=("ui-monospace", "Consolas", "monospace")).set(**_COLOURS)
    return {"theme": theme, "css": _CSS + EDITOR_CSS + CONSENT_CSS, "head": head()}
