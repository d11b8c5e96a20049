"""What survives a refresh: the tab in the address, and the values of the tabs in the browser's window.

The browser keeps the values until its window is closed; files stay on the server as long as other uploads do. Values
come back from the browser, so files are taken only from the folders of uploads, results and examples.
"""

import contextlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any, cast

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency
from gradio.utils import get_upload_folder

from reenact.space import examples
from reenact.space.embedding import ADDRESS
from reenact.space.widgets.events import QUICK
from reenact.space.widgets.linked import FILE_KINDS, Linked, fits
from reenact.space.widgets.runs import visitor_of

_LARGEST_KEPT = 200_000
"""Characters; a longer text is not what the page wrote."""

_KEEP = """(...values) => {
  if (window.reenactRestored) sessionStorage.setItem("reenact NAME", JSON.stringify(values));
}"""
_READ = """() => {
  const texts = NAMES.map((name) => sessionStorage.getItem("reenact " + name) || "");
  window.reenactSources = texts.map((text) => {
    try { return JSON.parse(text)[1].path; } catch { return undefined; }
  });
  const address = ADDRESS;
  return [address.searchParams.get("tab") || "", address.search, ...texts];
}""".replace("ADDRESS", ADDRESS)
ONLY_RESTORED = """(source, ...others) => {
  const restored = source && window.reenactSources.includes(source.path);
  return [restored ? source : null, ...others];
}"""
"""For events that follow `restore`: no source if the visitor has given another one meanwhile."""
_SHOW_TAB = """
  const address = new URL(location);
  address.searchParams.set("tab", window.reenactTab);
  if (!document.querySelector("gradio-app[src]")) history.replaceState(history.state, "", address);
"""
"""Addresses of other pages, which show this one as a web component, stay as they are."""
_READY = f"""(visitor) => {{
  window.reenactRestored = true;
  window.reenactVisitor = visitor;
  addEventListener("beforeunload", () => {{ window.reenactLeaving = true; }});
  const asked = {ADDRESS}.searchParams.get("tab");
  if (NAMES.includes(asked)) window.reenactTab = asked;
  if (window.reenactTab && !asked) {{ {_SHOW_TAB} }}
  for (const name of NAMES) {{
    if (sessionStorage.getItem("reenact " + name)) document.getElementById("reenact-reopen-" + name)?.click();
  }}
}}"""
_OPENED_TAB = f"""() => {{
  window.reenactTab = "NAME";
  if (window.reenactRestored) {{ {_SHOW_TAB} }}
}}"""
"""The first tab opens by itself before the address is read, so nothing is written until then."""


class Remembered:
    """The components of one tab that keep their values."""

    def __init__(self, name: str, components: Sequence[Component], linked: Linked | None = None) -> None:
        """Keep the values of components, from now on.

        Args:
            name: of the tab.
            components: in an order that stays the same while the page is served.
            linked: those that an address can set.
        """
        self.name, self.components, self.linked = name, list(components), linked
        self._labels = [f"{type(each).__name__} {each.label}" for each in components]
        self.layout = gr.JSON(self._labels, visible=False)
        """Kept with the values: those of another version of the page are not restored."""
        changes = [each.change for each in components]  # type: ignore[attr-defined]
        keep = _KEEP.replace("NAME", name)
        gr.on(changes, None, [self.layout, *components], None, js=keep, show_progress="hidden", **QUICK)

    def restored(self, text: str, query: str = "") -> list[Any]:
        """Updates of all components from what the browser kept; nothing changes if it kept nothing that fits.

        Args:
            text: what the browser kept.
            query: of the address, whose settings come first.
        """
        set_by_link = self.linked.read(query) if self.linked else dict[Component, Any]()
        kept = _read(text, self._labels)
        updates = [gr.skip()] * len(self.components)
        if kept is not None:
            updates = [_restored(component, value) for component, value in zip(self.components, kept, strict=True)]
        return [set_by_link.get(component, update) for component, update in zip(self.components, updates, strict=True)]


def restore(page: gr.Blocks, tabs: gr.Tabs, kept: Sequence[Remembered], names: Sequence[str]) -> dict[str, Dependency]:
    """When the page is opened, show the tab that the address names, and what the browser kept.

    Args:
        page: the page.
        tabs: its tabs.
        kept: what to restore.
        names: ids of the tabs.

    Returns:
        By the name of a tab, the event after the browser's values of that tab have been restored; none for a visitor
        who comes for the first time.
    """
    buttons = {each.name: gr.Button(visible="hidden", elem_id=f"reenact-reopen-{each.name}") for each in kept}
    boxes = [gr.Textbox(visible=False) for _ in (tabs, page, *kept)]
    visitor = gr.Textbox(visible=False)

    def opened(request: gr.Request, tab: str, query: str, *texts: str) -> list[Any]:
        shown = tab if tab in names else names[0]
        values = [
            update
            for each, text in zip(kept, texts, strict=True)
            for update in each.restored(text, query if each.name == shown else "")
        ]
        return [visitor_of(request), gr.Tabs(selected=tab) if tab in names else gr.skip(), *values]

    outputs: list[Any] = [visitor, tabs, *(component for each in kept for component in each.components)]
    read = _READ.replace("NAMES", json.dumps([each.name for each in kept]))
    ran = page.load(opened, boxes, outputs, js=read, show_progress="hidden", **QUICK)
    ran.then(None, visitor, None, js=_READY.replace("NAMES", json.dumps([*buttons])), **QUICK)
    return {name: button.click(None, js="() => {}", **QUICK) for name, button in buttons.items()}


def name_in_address(tab: gr.Tab, name: str) -> None:
    """Put a tab's name into the address when it is opened."""
    tab.select(None, js=_OPENED_TAB.replace("NAME", name), **QUICK)


def _read(text: str, labels: list[str]) -> list[Any] | None:
    if not text or len(text) > _LARGEST_KEPT:
        return None
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or len(cast(list[Any], values)) != 1 + len(labels):
        return None
    layout, *values = cast(list[Any], values)
    return values if layout == labels else None


def _restored(component: Component, value: Any) -> Any:
    """The update of one component; an input whose file is gone, or whose value it cannot take, stays as it is."""
    if isinstance(component, FILE_KINDS):
        paths = _known_files(value)
        if not paths:
            return gr.skip()
        if isinstance(component, gr.ImageSlider):
            return tuple(paths) if len(paths) == 2 else gr.skip()
        is_result = isinstance(component, gr.DownloadButton)
        return gr.update(value=paths[0], interactive=True) if is_result else paths[0]
    return value if fits(component, value) else gr.skip()


def known_file(path: object) -> bool:
    """Whether a path that comes from a browser is that of an upload, a result or an example that still exists."""
    folders = [pathlib.Path(get_upload_folder()).resolve(), examples.FOLDER.resolve()]
    if not isinstance(path, str):
        return False
    with contextlib.suppress(OSError, ValueError):  # no path at all: too long, or with a null character
        file = pathlib.Path(path).resolve()
        return file.is_file() and any(file.is_relative_to(folder) for folder in folders)
    return False


def _known_files(value: Any) -> list[str]:
    """Paths in a value of a file component, if all its files still exist and every visitor may see them."""
    paths = list(_paths(value))
    return paths if all(map(known_file, paths)) else []


def _paths(value: Any) -> list[str]:
    if isinstance(value, list):
        return [path for each in cast(list[Any], value) for path in _paths(each)]
    if not isinstance(value, dict):
        return []
    fields = cast(dict[str, Any], value)
    return [fields["path"]] if isinstance(fields.get("path"), str) else _paths([*fields.values()])
