"""The page's HTML, which is the same for every visitor."""

import asyncio
from typing import Any

import httpx

from reenact.space.host.front import FrontPage


def test_the_page_is_made_once_for_all_visitors_and_sent_compressed() -> None:
    made: list[str] = []

    async def page(scope: Any, _: Any, send: Any) -> None:
        made.append(f"{scope['path']}?{scope['query_string'].decode()}")
        status = 404 if b"gone" in scope["query_string"] else 200
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": dict(scope["headers"])[b"host"], "more_body": True})
        await send({"type": "http.response.body", "body": b" says hello" * 100})

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(FrontPage(page)), base_url="http://a") as web:
            answers = [await web.get(path) for path in ("/", "/?tab=video", "http://b/")]
            plain = await web.get("/", headers={"accept-encoding": "identity"})
            assert made == ["/?", "/?"], "once for each address"
            assert [each.text[:6] for each in (*answers, plain)] == ["a says", "a says", "b says", "a says"]
            assert [each.headers.get("content-encoding") for each in (answers[1], plain)] == ["gzip", None]
            assert answers[0].headers["content-type"] == "text/html; charset=utf-8"
            for path in ("/?deep_link=x", "/?deep_link=x", "/other", "/config?page=x"):
                assert (await web.get(path)).status_code == 200
            assert len(made) == 6
        async with httpx.AsyncClient(transport=httpx.ASGITransport(FrontPage(page)), base_url="http://a") as web:
            assert [(await web.get("/?gone")).status_code, (await web.get("/")).status_code] == [404, 200]

    asyncio.run(ask())
