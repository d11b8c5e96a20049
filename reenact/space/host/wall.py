"""What of gradio's server is reached from outside, and what it fetches: nothing.

Gradio fetches files from addresses that a request gives, relays other addresses, and has routes that this page does not
use, such as one that converts recordings. Here a file comes from an upload alone.
"""

import contextlib
import inspect
import json
import logging
import pathlib
import reprlib
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio as gr
from gradio import processing_utils
from gradio.exceptions import InvalidPathError
from gradio.route_utils import GradioMultiPartParser
from gradio.utils import get_upload_folder
from starlette.datastructures import FormData
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reenact.media.output import is_full
from reenact.space.widgets.answers import message

_LOG = logging.getLogger(__name__)
_PREFIX = "/gradio_api/"
_USED = frozenset(
    ["info", "queue", "call", "run", "api", "cancel", "upload", "upload_progress", "heartbeat", "startup-events"]
    + ["app_id", "theme.css", "mcp", "login_check", "user", "reset", "token", "openapi.json"]
)
"""First parts of paths behind `_PREFIX` that are answered, beside `file=`."""
_LARGEST_BODY = 4_000_000
"""Bytes of a request that is not an upload: values of all components, a settings file."""


def explain_bad_requests(page: gr.Blocks) -> None:
    """Let requests that gradio cannot read get a message in place of a traceback."""
    read = page.preprocess_data

    async def explained(block_fn: Any, inputs: list[Any], *args: Any, **options: Any) -> Any:
        try:
            return await read(block_fn, inputs, *args, **options)
        except gr.Error as error:
            if not error.print_exception:  # the page's own
                raise
            raise message(_unfit(block_fn, inputs) or error.message) from error
        except InvalidPathError as error:
            raise message(
                "A file of the request was not uploaded to this page, or is gone; upload it again."
            ) from error
        except Exception as error:
            _LOG.info("A request did not fit its endpoint: %s", type(error).__name__)
            raise message(
                _unfit(block_fn, inputs)
                or "The request does not fit the endpoint; /openapi.json describes its parameters."
            ) from error

    page.preprocess_data = explained
    _explain_full_queue(page)


def _explain_full_queue(page: gr.Blocks) -> None:
    """Let visitors and programs that find the queue full read what to do; gradio says numbers."""
    push = page._queue.push

    async def pushed(*args: Any, **options: Any) -> Any:
        success, text, state = await push(*args, **options)
        if state == "queue_full":
            text = f"The queue is full: {page._queue.max_size} wait already. Try again in a minute."
        return success, text, state

    page._queue.push = pushed  # type: ignore[method-assign]


def _unfit(endpoint: Any, inputs: list[Any]) -> str:
    """What is wrong with the first value that its component does not take, by the parameter's name; "" if none is."""
    names = list(inspect.signature(endpoint.fn).parameters) if endpoint.api_visibility == "public" else []
    names += [str(component.label) for component in endpoint.inputs[len(names) :]]
    for name, component, value in zip(names, endpoint.inputs, inputs, strict=False):
        try:
            if component.data_model is None:
                component.preprocess(value)
            elif value is not None:
                component.data_model.model_validate(value)
        except Exception:  # noqa: BLE001 - components raise whatever their code happens to
            return f"The parameter {name} cannot be {reprlib.repr(value)}; {_taken(component)}."
    return ""


def _taken(component: Any) -> str:
    """What a component takes."""
    if choices := getattr(component, "choices", None):
        return f"it takes {', '.join(repr(value) for _, value in choices)}"
    if isinstance(component, gr.Slider):
        return f"it takes {component.minimum:g} to {component.maximum:g}"
    return "it takes a number" if isinstance(component, gr.Number) else "/openapi.json says what it takes"


class Wall:
    """Middleware that refuses unused routes, addresses in place of files, and large requests."""

    def __init__(self, app: ASGIApp, *, largest_upload: int) -> None:
        """Stand before `app`; MCP clients send files of up to `largest_upload` bytes in a request."""
        self._app, self._largest_upload = app, largest_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if not _is_used(path):
            await _refuse(send, 404, "This page has no such address.")
            return
        if f"{_PREFIX}upload" in path:
            await self._upload(scope, receive, send)
            return
        # base64 makes four characters of three bytes
        left = _LARGEST_BODY + (self._largest_upload * 4 // 3 if f"{_PREFIX}mcp" in path else 0)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > left:
            await _refuse(send, 413, "The request is too large; upload files instead of sending them inside it.")
            return

        async def counted() -> Message:
            nonlocal left
            part = await receive()
            left -= len(part.get("body", b""))
            return part if left >= 0 else {"type": "http.disconnect"}

        await self._app(scope, counted, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_whole = False

        async def followed() -> Message:
            nonlocal is_whole
            part = await receive()
            is_whole = not part.get("more_body")
            return part

        try:
            await self._app(scope, followed, send)
        except OSError as error:
            if not is_full(error):
                raise
            _LOG.error("An upload could not be stored: the disk is full")
            while not is_whole:  # a client reads no answer before it has sent everything
                await followed()
            await _refuse(send, 507, "The file could not be stored: the disk of this page is full. Try again later.")


def _is_used(path: str) -> bool:
    if path.rstrip("/").endswith("/monitoring") or "/monitoring/" in path:
        return False
    if _PREFIX not in path:
        return True
    rest = path.partition(_PREFIX)[2]
    if rest.startswith("file="):
        return "://" not in rest and not rest.lower().startswith(("file=http:", "file=https:"))
    return rest.partition("/")[0] in _USED


async def _refuse(send: Send, status: int, text: str) -> None:
    body = json.dumps({"detail": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _uploaded_file(url: str, cache_dir: str) -> str:
    """In place of a download: the file if the address is that of an upload or result, as MCP clients give it.

    Raises:
        gr.Error: any other address.
    """
    path = unquote(urlsplit(url).path).partition(f"{_PREFIX}file=")[2]
    file = pathlib.Path(path).resolve()
    if path and file.is_file() and file.is_relative_to(pathlib.Path(get_upload_folder()).resolve()):
        return str(file)
    raise message("The page fetches no addresses; upload the file and send what the upload returns.")


async def _parsed(self: GradioMultiPartParser) -> FormData:
    """The files of an upload; none stays if it breaks off, or the disk is full."""
    try:
        return await _parse(self)
    except BaseException:
        for file in self._files_to_close_on_error:
            with contextlib.suppress(OSError):  # what could not be written before cannot be written now
                file.close()
            pathlib.Path(file.name).unlink(missing_ok=True)
        raise


# Where gradio looks them up.
processing_utils.async_ssrf_protected_download = _uploaded_file
_parse, GradioMultiPartParser.parse = GradioMultiPartParser.parse, _parsed
