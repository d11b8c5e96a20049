"""What the page's HTML says beside the components: names for screen readers, and the tags of a shared link."""

import json
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reenact.space import embedding, examples

TITLE = "Reenact"
DESCRIPTION = "Give a portrait the pose and expression of another photo, or the motion of a clip."

# gradio leaves thumbnails and pictures of results without names
_NAMES = """<script>
(() => {
  const labels = LABELS;
  const name = () => {
    for (const item of document.querySelectorAll(".gallery-item:not([aria-label])")) {
      const shown = item.querySelector("img, video");
      const file = shown && decodeURIComponent((shown.currentSrc || shown.src).split("/").pop().split("#")[0]);
      if (!file || !labels[file]) continue;
      item.setAttribute("aria-label", labels[file]);
      item.title = labels[file];
      if (labels[file].startsWith("Motion: ")) item.dataset.motion = labels[file].slice("Motion: ".length);
    }
    for (const clip of document.querySelectorAll(".gallery-item video:not([data-rests])")) {
      // gradio plays it under the pointer; at rest it shows its middle: all begin with the same neutral face
      clip.dataset.rests = "";
      clip.loop = true;
      const rest = () => { clip.pause(); clip.currentTime = clip.duration / 2; };
      const item = clip.closest(".gallery-item");
      if (clip.readyState) rest(); else clip.addEventListener("loadedmetadata", rest, { once: true });
      item.addEventListener("mouseleave", rest);
      item.addEventListener("focus", () => clip.play());
      item.addEventListener("blur", rest);
    }
    for (const image of document.querySelectorAll("img:not([aria-label])")) {
      const label = image.closest(".block")?.querySelector("[data-testid='block-label']")?.textContent.trim();
      if (!label || image.alt || image.closest(".gallery-item")) continue;
      const pair = [...image.closest(".block").querySelectorAll("[data-testid='imageslider-image']")];
      image.setAttribute("aria-label", pair.includes(image) ? ["Before", "After"][pair.indexOf(image)] : label);
    }
    for (const empty of document.querySelectorAll("div.empty[aria-label]:not([role])")) empty.role = "img";
  };
  let waiting = false;
  const later = () => { waiting = false; name(); };
  new MutationObserver(() => {
    if (!waiting) requestAnimationFrame(later);
    waiting = true;
  }).observe(document, { childList: true, subtree: true });
})();
</script>"""


def head() -> str:
    """For the end of the page's head."""
    return _NAMES.replace("LABELS", json.dumps(examples.labels()))


class OwnTags:
    """Middleware: this page's own "og:" and "twitter:" tags in place of gradio's, and no frame where none is wanted."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; only HTML is changed, and it is collected first."""
        start: Message | None = None
        body = b""

        async def changed(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            page = with_own_tags(body.decode("utf-8"))
            if embedding.is_embedded(scope["query_string"]):
                page = page.replace("</head>", f"{embedding.HEAD}</head>", 1)
            text = page.encode("utf-8")
            headers = [(key, value) for key, value in start["headers"] if key.lower() != b"content-length"]
            headers.append((b"content-length", str(len(text)).encode()))
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": text})

        is_page = scope["type"] == "http" and scope["method"] == "GET" and not scope["path"].startswith("/gradio_api")
        await self._app(scope, receive, changed if is_page else send)


def with_own_tags(html: str) -> str:
    """The page with the project's tags in place of gradio's."""
    without = re.sub(r"<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*>\s*", "", html)
    tags = {"og:type": "website", "og:title": TITLE, "og:description": DESCRIPTION}
    own = "".join(f'<meta property="{name}" content="{content}" />' for name, content in tags.items())
    return without.replace("<head>", f"<head>{own}", 1)


def _is_html(message: Message) -> bool:
    return any(key.lower() == b"content-type" and value.startswith(b"text/html") for key, value in message["headers"])
