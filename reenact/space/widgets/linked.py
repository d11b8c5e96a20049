"""The settings of a tab by the names of its endpoint: links set them, and the panel "Embed" prints them."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl

import gradio as gr
from gradio.components import Component

FILE_KINDS = (gr.Image, gr.Video, gr.ImageSlider, gr.File, gr.DownloadButton)
_LONGEST_QUERY = 4000


class Linked:
    """The settings of one tab."""

    def __init__(
        self, endpoint: str, call: Callable[..., Any], sent: Sequence[Component], files: Mapping[str, str]
    ) -> None:
        """Name the components.

        Args:
            endpoint: name of the tab's endpoint.
            call: its handler.
            sent: the components that give its arguments, in their order.
            files: files that every call needs, by parameter, and a name that stands for each.
        """
        self.endpoint, self.files = endpoint, dict(files)
        named = zip(inspect.signature(call).parameters, sent, strict=False)
        # hidden ones are for older programs, or not offered by the host; the number of a face is hidden for a while
        self.components = {
            name: each
            for name, each in named
            if not isinstance(each, (*FILE_KINDS, gr.JSON)) and (each.visible or isinstance(each, gr.Number))
        }

    def read(self, query: str) -> dict[Component, Any]:
        """Values that the query of an address sets; what a component cannot take is left out."""
        given = dict(parse_qsl(query[:_LONGEST_QUERY].removeprefix("?"), keep_blank_values=True))
        read = {each: _value(each, given[name]) for name, each in self.components.items() if name in given}
        return {component: value for component, value in read.items() if fits(component, value)}

    def changed(self, values: Sequence[Any]) -> dict[str, Any]:
        """The settings, by name, that differ from those of a fresh page; `values` of all components."""
        return {
            name: value
            for (name, component), value in zip(self.components.items(), values, strict=True)
            if value != getattr(component, "value", None) and not (isinstance(value, float) and math.isnan(value))
        }


def fits(component: Component, value: Any) -> bool:
    """Whether a component can take a value that comes from elsewhere; those of files are not checked here."""
    if isinstance(component, (gr.Radio, gr.Dropdown)):
        return value in [choice for _, choice in component.choices or []]
    if isinstance(component, gr.CheckboxGroup):
        offered = [choice for _, choice in component.choices or []]
        return isinstance(value, list) and all(each in offered for each in cast(list[Any], value))
    if isinstance(component, gr.Checkbox):
        return isinstance(value, bool)
    if isinstance(component, gr.JSON):
        return isinstance(value, dict)
    if isinstance(component, gr.Slider):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and component.minimum <= value <= component.maximum
    if isinstance(component, gr.Number):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)


def _value(component: Component, text: str) -> Any:
    """The value of a component that a text in an address means; None if it means none."""
    if isinstance(component, gr.CheckboxGroup):
        return [part for part in text.split(",") if part]
    if isinstance(component, (gr.Radio, gr.Dropdown)):
        return next((value for _, value in component.choices or [] if str(value) == text), None)
    if isinstance(component, gr.Checkbox):
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if isinstance(component, (gr.Slider, gr.Number)):
        return _number(text)
    return text


def _number(text: str) -> float | int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number
