"""The tick that a host can ask of visitors before their first run."""

import gradio as gr

from reenact.space.widgets.events import QUICK

FREE = "without-consent"
"""Class of tabs that are open before the tick."""
CSS = """
.page-tabs .tabitem[inert] { opacity: 0.4; }
.page-consent { border: 1px solid var(--color-accent) !important; }
.page-consent input { width: 20px; height: 20px; flex: none; border: 2px solid var(--body-text-color) !important; }
"""
_LABEL = (
    "Tick this to begin: the people in my pictures agreed to this use, or they are me, "
    "and I will say that results are synthetic."
)
_ASK = """() => {
  let kept = null;
  try { kept = localStorage.getItem("reenact consent"); } catch {}
  const close = () => {
    for (const tab of document.querySelectorAll(".page-tabs .tabitem:not(.FREE)")) tab.inert = !window.reenactConsent;
  };
  window.reenactConsent = kept === "1";
  window.reenactClose = close;
  new MutationObserver(close).observe(document.body, { childList: true, subtree: true });
  close();
  return window.reenactConsent;
}""".replace("FREE", FREE)
_KEEP = """(ticked) => {
  window.reenactConsent = ticked;
  try { localStorage.setItem("reenact consent", ticked ? "1" : "0"); } catch {}
  window.reenactClose?.();
}"""


def ask_consent(page: gr.Blocks) -> None:
    """Create the tick. Until it is set, the tabs take no input; the browser remembers it. Programs are not asked."""
    tick = gr.Checkbox(value=False, label=_LABEL, elem_classes="page-consent")
    tick.input(None, tick, None, js=_KEEP, **QUICK)
    page.load(None, None, tick, js=_ASK, **QUICK)
