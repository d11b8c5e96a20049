"""What the source's face does, as bars; and the sliders' way back to it."""

import html
import json
from collections.abc import Mapping

import gradio as gr

from reenact.space.controls import Control, Groups, named

_CSS = """
.reading { display: grid; grid-template-columns: 1fr; gap: 2px 12px; font-size: var(--text-sm); }
.reading h4 { margin: 6px 0 0; font-size: var(--text-sm); color: var(--body-text-color-subdued); }
.reading .row { display: grid; grid-template-columns: minmax(0, 11em) 1fr 2em; gap: 8px; align-items: center; }
.reading .name { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.reading .value { text-align: right; font-variant-numeric: tabular-nums; }
.reading .bars { display: grid; gap: 1px; }
.reading .bar { position: relative; height: 8px; border-radius: 4px; overflow: hidden; }
.reading .bar { background: var(--border-color-primary); }
.reading .bars .bar:not(:only-child) { height: 4px; }
.reading .bar i { position: absolute; top: 0; bottom: 0; background: var(--color-accent); border-radius: 4px; }
"""

# The button of gr.Slider goes back to what the slider showed when the browser drew it; here that is to be what the
# source does, whichever source it is and whenever the slider was drawn.
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


def reading_bars(slider_id: str) -> gr.HTML:
    """Empty; `bars` gives its value.

    Args:
        slider_id: what the ids of the tab's sliders begin with.
    """
    script = _RESET.replace("SLIDER_ID", slider_id)
    return gr.HTML("", css_template=_CSS, js_on_load=script, label="What the source's face does")


def bars(values: Mapping[str, float], groups: Groups) -> str:
    """A bar for every unit, two for those with sides, and one for every angle.

    Args:
        values: what the sliders show of the source.
        groups: the sliders.
    """
    controls, parts = named(groups), list[str]()
    for group, members in groups.items():
        parts.append(f"<h4>{html.escape(group)}</h4>")
        parts += [_row(control, controls, values) for control in members if not control.is_side]
    own = html.escape(json.dumps(dict(values)), quote=True)
    return f'<div class="reading" data-own="{own}">{"".join(parts)}</div>'


def _row(control: Control, controls: Mapping[str, Control], values: Mapping[str, float]) -> str:
    names = control.sides if control.sided else (control.name,)
    drawn = "".join(_bar(controls[name], values[name]) for name in names)
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
