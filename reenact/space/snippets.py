"""Code that embeds the page or calls it, for the settings of a tab."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

LINK, IFRAME, COMPONENT = "Link", "iframe", "Web component"
PYTHON, JAVASCRIPT, CURL, MCP = "Python", "JavaScript", "curl", "MCP"
KINDS = (LINK, IFRAME, COMPONENT, PYTHON, JAVASCRIPT, CURL, MCP)

_LANGUAGES = {IFRAME: "html", COMPONENT: "html", PYTHON: "python", JAVASCRIPT: "javascript", CURL: "shell", MCP: "json"}


class Call(NamedTuple):
    """What a tab would ask its endpoint."""

    server: str
    """Address of the page, without a slash at its end."""
    tab: str
    endpoint: str
    """Its name, without a slash."""
    files: Mapping[str, str | None]
    """Files by parameter, as placeholders; None for a file that is not needed."""
    settings: Mapping[str, Any]
    """Those that differ from the page's own."""
    key: str | None = None
    """A placeholder for the key that programs need."""


def snippet(kind: str, call: Call) -> tuple[str, str | None]:
    """The code, and its language as `gr.Code` names it."""
    write = {
        LINK: _link,
        IFRAME: _iframe,
        COMPONENT: _component,
        PYTHON: _python,
        JAVASCRIPT: _javascript,
        CURL: _curl,
        MCP: _mcp,
    }[kind]
    return write(call), _LANGUAGES.get(kind)


def _link(call: Call, **more: str) -> str:
    values = {
        name: ",".join(value) if isinstance(value, list) else json.dumps(value).strip('"')
        for name, value in call.settings.items()
    }
    return f"{call.server}/?{urlencode({**more, 'tab': call.tab, **values}, safe=',')}"


def _iframe(call: Call) -> str:
    address = _link(call, embed="1", __theme="light").replace("&", "&amp;")
    allowed = "camera; microphone; autoplay; clipboard-write"
    return f'<iframe src="{address}"\n  allow="{allowed}" width="100%" height="900" style="border: 0"></iframe>'


def _component(call: Call) -> str:
    address = _link(call, embed="1").replace("&", "&amp;")
    script = f'<script type="module" src="{call.server}/gradio.js"></script>'
    return f'{script}\n<gradio-app src="{address}"\n  theme_mode="light" container="false" eager="true"></gradio-app>'


def _python(call: Call) -> str:
    files = {name: f"handle_file({path!r})" if path else "None" for name, path in call.files.items()}
    values = files | {name: repr(value) for name, value in call.settings.items()}
    headers = f", headers={{'X-API-Key': {call.key!r}}}" if call.key else ""
    arguments = "".join(f"    {name}={value},\n" for name, value in values.items())
    return (
        "from gradio_client import Client, handle_file\n\n"
        f"client = Client({call.server + '/'!r}{headers})\n"
        f"file, *_, notes = client.predict(\n{arguments}    api_name={'/' + call.endpoint!r},\n)\n"
        "print(file, notes)\n"
    )


def _javascript(call: Call) -> str:
    files = {name: f'handle_file("{path}")' if path else "null" for name, path in call.files.items()}
    values = files | {name: json.dumps(value) for name, value in call.settings.items()}
    arguments = "".join(f"  {name}: {value},\n" for name, value in values.items())
    headers = f', {{ headers: {{ "X-API-Key": "{call.key}" }} }}' if call.key else ""
    return (
        'import { Client, handle_file } from "@gradio/client"; // files are paths in Node, blobs in a browser\n\n'
        f"const client = await Client.connect({json.dumps(call.server + '/')}{headers});\n"
        f"const {{ data }} = await client.predict({json.dumps('/' + call.endpoint)}, {{\n{arguments}}});\n"
        "console.log(data[0].url, data.at(-1));\n"
        "client.close();\n"
    )


def _curl(call: Call) -> str:
    files = {name: f"$(upload {path})" if path else "null" for name, path in call.files.items()}
    values = files | {name: json.dumps(value) for name, value in call.settings.items()}
    arguments = ",\n".join(f'  "{name}": {value}' for name, value in values.items())
    header = f" -H 'X-API-Key: {call.key}'" if call.key else ""
    return (
        f"server={call.server}\n"
        "upload() {\n"
        '  path=$(curl -sS -F "files=@$1" $server/gradio_api/upload | tr -d "[]")\n'
        """  printf '{"path": %s, "meta": {"_type": "gradio.FileData"}}' "$path"\n"""
        "}\n"
        f"id=$(curl -sS $server/gradio_api/call/v2/{call.endpoint} -H 'Content-Type: application/json'{header} \\\n"
        "  -d @- <<END |\n"
        f"{{\n{arguments}\n}}\nEND\n"
        """  sed 's/.*"event_id":"\\([^"]*\\)".*/\\1/')\n"""
        f"curl -sSN $server/gradio_api/call/{call.endpoint}/$id\n"
    )


def _mcp(call: Call) -> str:
    server: dict[str, Any] = {"url": f"{call.server}/gradio_api/mcp/"}
    if call.key:
        server["headers"] = {"X-API-Key": call.key}
    return json.dumps({"mcpServers": {"reenact": server}}, indent=2)
