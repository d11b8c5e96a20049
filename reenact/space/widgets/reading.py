"""What the source's face does, drawn as bars; reset buttons of the sliders go back to it."""

import html
import json
from collections.abc import Mapping

import gradio as gr

from reenact.space.widgets.sliders import CONTROLS, GROUPS, Control

_CSS = """
.reading { display: grid; grid-template-columns: 1fr; gap: 2px 12px; font-size: var(--text-sm); }
.reading h2 { margin: 6px 0 0; font-size: var(--text-sm); color: var(--body-text-color-subdued); }
.reading .row { display: grid; grid-template-columns: minmax(0, 11em) 1fr 2em; gap: 8px; align-items: center; }
.reading .name { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.reading .value { text-align: right; font-variant-numeric: tabular-nums; }
.reading .bars { display: grid; gap: 1px; }
.reading .bar { position: relative; height: 8px; border-radius: 4px; overflow: hidden; }
.reading .bar { background: var(--border-color-primary); }
.reading .bars .bar:not(:only-child) { height: 4px; }
.reading .bar i { position: absolute; top: 0; bottom: 0; background: var(--color-accent); border-radius: 4px; }
"""

# The reset button of gr.Slider goes back to the value that the slider had when the browser first drew it. Here it goes
# back to the source's own value.
_RESET = """
document.addEventListener("click", (event) => {
  const button = event.target.closest("[id^='SLIDER_ID'] [data-testid='reset-button']");
  if (!button) return;
  const own = element.querySelector("[data-own]");
  if (!own) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const slider = button.closest("[id^='SLIDER_ID']");
  const input = slider.querySelector("input[type='range']");
  input.value = JSON.parse(own.dataset.own)[slider.id.slice("SLIDER_ID".length)];
  input.dispatchEvent(new Event("input", { bubbles: true }));
}, true);
"""


_ONLY_SET = ("right", "down", "zoom", "pucker")
"""Not read from a face: 0 in every source."""


def reading_bars(slider_id: str) -> gr.HTML:
    """Empty; `bars` gives its value. The ids of the sliders begin with `slider_id`."""
    script = _RESET.replace("SLIDER_ID", slider_id)
    return gr.HTML("", css_template=_CSS, js_on_load=script, label="What the face does")


def bars(values: Mapping[str, float]) -> str:
    """HTML of a bar for every unit, two for those with sides, and for every angle; `values` of all sliders."""
    parts = list[str]()
    for group, controls in GROUPS.items():
        parts.append(f"<h2>{html.escape(group)}</h2>")
        shown = [control for control in controls if not control.is_side and control.name not in _ONLY_SET]
        parts += [_row(control, values) for control in shown]
    own = html.escape(json.dumps(dict(values)), quote=True)
    return f'<div class="reading" data-own="{own}">{"".join(parts)}</div>'


def _row(control: Control, values: Mapping[str, float]) -> str:
    names = control.sides if control.sided else (control.name,)
    drawn = "".join(_bar(CONTROLS[name], values[name]) for name in names)
    short = html.escape(control.label.partition(" (")[0])
    digits = 1 if control.step < 1 else 0
    return (
        f'<div class="row"><span class="name" title="{html.escape(control.label)}">{short}</span>'
        f'<span class="bars">{drawn}</span><span class="value">{values[control.name]:.{digits}f}</span></div>'
    )


def _bar(control: Control, value: float) -> str:
    span = control.highest - control.lowest
    zero, end = (0 - control.lowest) / span * 100, (value - control.lowest) / span * 100
    left, width = min(zero, end), abs(end - zero)
    meter = f'role="meter" aria-label="{html.escape(control.label)}" aria-valuenow="{value:g}"'
    limits = f'aria-valuemin="{control.lowest:g}" aria-valuemax="{control.highest:g}"'
    return f'<span class="bar" {meter} {limits}><i style="left:{left:.1f}%;width:{width:.1f}%"></i></span>'
