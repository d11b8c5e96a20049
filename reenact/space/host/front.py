"""The page's HTML and configuration, made once and sent compressed: gradio would make 0.8 MB anew for each visitor."""

import collections
import gzip
from collections.abc import Hashable
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reenact.space import embedding

_PATHS = ("/", "/config")
_ADDRESS = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server")
"""Headers that say which address the page has to name as its own."""
_MOST = 16
"""Answers that are kept, of at most some ten hosts; each has about a megabyte."""


class FrontPage:
    """Middleware; for pages that are the same for every visitor, which those behind a login are not."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app
        self._kept: collections.OrderedDict[Hashable, tuple[bytes, bytes]] = collections.OrderedDict()
        """Type of the content, and the content in gzip."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in _PATHS:
            await self._app(scope, receive, send)
            return
        headers, query = Headers(scope=scope), scope["query_string"]
        if {"deep_link", "page"} & {*parse_qs(query.decode("latin-1"), keep_blank_values=True)}:
            await self._app(scope, receive, send)
            return
        asked = tuple(headers.get(name) for name in _ADDRESS)
        key = (scope["path"], scope.get("scheme"), scope.get("root_path"), embedding.is_embedded(query), *asked)
        kept = self._kept.get(key)
        if kept is None:
            kept = await self._made(key, scope, receive, send)
            if kept is None:
                return
        self._kept.move_to_end(key)
        await _answer(*kept, zipped="gzip" in headers.get("accept-encoding", ""), send=send)

    async def _made(self, key: Hashable, scope: Scope, receive: Receive, send: Send) -> tuple[bytes, bytes] | None:
        """Keep the answer of the page; None if that is no success, and has been sent."""
        start: Message = {}
        body = b""

        async def collected(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
            elif start:
                body += message.get("body", b"")
            else:
                await send(message)

        await self._app(scope, receive, collected)
        if not start:
            return None
        kind = dict(start["headers"]).get(b"content-type", b"text/html; charset=utf-8")
        self._kept[key] = kept = kind, gzip.compress(body, 6)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return kept


async def _answer(kind: bytes, content: bytes, *, zipped: bool, send: Send) -> None:
    encoding = [(b"content-encoding", b"gzip")] if zipped else []
    body = content if zipped else gzip.decompress(content)
    headers = [(b"content-type", kind), (b"vary", b"accept-encoding"), *encoding]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
