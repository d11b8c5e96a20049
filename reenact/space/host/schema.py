"""What programs read about the endpoints: exact types, and every parameter described whole.

Gradio describes components: any JSON, "numeric value between 1 and 100". Of a docstring it gives MCP clients the first
line of each parameter.
"""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio_client import utils as client_utils
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from reenact.pipeline.controls import keyframes, settings

_NUMBER: dict[str, Any] = {"type": "number"}
_MODES = {"enum": ["relative", "absolute"], "type": "string"}
_FACE: dict[str, Any] = {
    "action_units": {"type": "object", "additionalProperties": _NUMBER},
    **dict.fromkeys(settings.FIELDS.values(), _NUMBER),
}
_OBJECTS: dict[str, dict[str, Any]] = {
    "settings": {
        "anyOf": [
            {"type": "object", "additionalProperties": _NUMBER},
            {
                "type": "object",
                "properties": {"kind": {"const": settings.KIND}, "mode": _MODES, **_FACE},
                "required": ["kind"],
            },
        ]
    },
    "drivers": {
        "type": "object",
        "additionalProperties": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {
                        "path": {"type": "string"},
                        "driver": {"type": "string"},
                        "face": {"type": "integer"},
                    },
                },
            ]
        },
    },
    "frames": {
        "type": "object",
        "properties": {
            "kind": {"const": keyframes.KIND},
            "format_version": {"const": keyframes.FORMAT_VERSION},
            "mode": _MODES,
            "frames": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "time_s": _NUMBER,
                        "ease": {"enum": ["smooth", "linear", "hold"], "type": "string"},
                        **_FACE,
                    },
                    "required": ["time_s"],
                },
            },
        },
        "required": ["kind", "format_version", "frames"],
    },
}
"""Parameters that are JSON objects."""
_FIGURES = {
    "type": "object",
    "properties": {
        "file": {"type": "string"},
        "frames": {"type": "integer"},
        "systems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    **{name: {"type": "string"} for name in ("system", "title", "use")},
                    **dict.fromkeys(("pose_error_deg", "identity", "seconds_per_frame"), _NUMBER),
                    "lost": {"type": "integer"},
                },
            },
        },
    },
}
_NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_FINDINGS = {
    "type": "object",
    "properties": {
        "file": {"type": "string"},
        "verdict": {"type": "string"},
        "metadata": {"type": "object", "properties": {"text": _NULLABLE, "digital_source_type": _NULLABLE}},
        "watermark": {
            "type": "object",
            "properties": {"found": {"type": "boolean"}, "score": _NUMBER, "false_alarm_rate": _NUMBER},
        },
        "c2pa": {"type": "object", "properties": {"state": {"type": "string"}, "claimed_by": _NULLABLE}},
    },
}
_RETURNED = {"/compare": _FIGURES, "/verify": _FINDINGS}
"""JSON objects that endpoints return."""
_FILE = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "As the upload returned it"},
        "meta": {"type": "object", "properties": {"_type": {"const": "gradio.FileData"}}, "required": ["_type"]},
    },
    "required": ["path", "meta"],
}
_UPLOAD = {
    "type": "object",
    "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    "required": ["files"],
}
_JOB = {"type": "object", "properties": {"event_id": {"type": "string"}}, "required": ["event_id"]}


def describe(page: gr.Blocks) -> None:
    """Let the page describe its public endpoints exactly, in its API page, OpenAPI and MCP."""
    described = page.get_api_info

    def get_api_info(all_endpoints: bool = False, page: str | None = None) -> Any:
        info: Any = described(all_endpoints, page)
        for name, endpoint in info["named_endpoints"].items():
            for parameter in endpoint["parameters"]:
                _describe(parameter, texts.get(name, {}).get(parameter["parameter_name"], ""))
            for returned in endpoint["returns"]:
                if returned["component"] == "Json":
                    returned["type"] = _RETURNED[name]
                    returned["python_type"]["type"] = client_utils.json_schema_to_python_type(_RETURNED[name])
        return info

    texts = dict[str, dict[str, str]]()
    for endpoint in page.fns.values():
        if endpoint.api_visibility == "public" and endpoint.fn is not None:
            texts[f"/{endpoint.api_name}"] = parameter_texts(endpoint.fn)
            endpoint.fn = with_flat_text(endpoint.fn)
    page.get_api_info = get_api_info


def parameter_texts(function: Callable[..., Any]) -> dict[str, str]:
    """The descriptions of parameters in a docstring of Google's style, each in one line."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(function) or "", re.MULTILINE | re.DOTALL)
    entries = re.split(r"^ {4}(?=\w+: )", section.group(1) if section else "", flags=re.MULTILINE)[1:]
    parts = [entry.partition(": ") for entry in entries]
    return {name: " ".join(text.replace("``", "`").split()) for name, _, text in parts}


def with_flat_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with each part of its docstring in one line."""

    def called(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    async def awaited(*args: Any, **options: Any) -> Any:
        return await function(*args, **options)

    described = functools.wraps(function)(awaited if inspect.iscoroutinefunction(function) else called)
    text = inspect.getdoc(function) or ""
    summary = " ".join(text.partition("\nArgs:")[0].partition("\nReturns:")[0].split())
    returned = " ".join(text.partition("\nReturns:\n")[2].split())
    entries = "".join(f"    {name}: {text}\n" for name, text in parameter_texts(function).items())
    described.__doc__ = f"{summary}\n\nArgs:\n{entries}\nReturns:\n    {returned}\n"
    return described


def openapi(info: Any, server: str) -> dict[str, Any]:
    """The endpoints in the terms of OpenAPI 3.1.

    Args:
        info: what `gr.Blocks.get_api_info` gives.
        server: address of the page, without a slash at its end.
    """
    paths: dict[str, Any] = {
        "/gradio_api/upload": {
            "post": {
                "operationId": "upload",
                "summary": "Upload files; the paths that it returns are what `path` of a File takes.",
                "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _UPLOAD}}},
                "responses": {"200": _json("Paths", {"type": "array", "items": {"type": "string"}})},
            }
        }
    }
    for name, endpoint in info["named_endpoints"].items():
        parameters, text = endpoint["parameters"], endpoint["description"]
        properties = {each["parameter_name"]: _property(each) for each in parameters}
        needed = [each["parameter_name"] for each in parameters if not each["parameter_has_default"]]
        body = {"type": "object", "properties": properties, "required": needed}
        results = ", ".join(each["python_type"]["type"] for each in endpoint["returns"])
        paths[f"/gradio_api/call/v2{name}"] = {
            "post": {
                "operationId": name.strip("/"),
                "summary": text,
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": {"200": _json("The job's id", _JOB), "503": {"description": "The queue is full"}},
            }
        }
        paths[f"/gradio_api/call{name}/{{event_id}}"] = {
            "get": {
                "operationId": f"{name.strip('/')}_result",
                "summary": f"Events of a job: heartbeat, error, or complete with [{results}]. Leaving ends the job.",
                "parameters": [{"name": "event_id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "Events", "content": {"text/event-stream": {}}}},
            }
        }
    schemes = {"key": {"type": "http", "scheme": "bearer", "description": "Only where the host asks for a key"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reenact", "version": "1"},
        "servers": [{"url": server}],
        "security": [{}, {"key": []}],
        "paths": paths,
        "components": {"schemas": {"File": _FILE}, "securitySchemes": schemes},
    }


def openapi_route(page: gr.Blocks) -> Route:
    """``/openapi.json``."""

    async def answer(request: Request) -> JSONResponse:
        return JSONResponse(openapi(page.get_api_info(), str(request.base_url).rstrip("/")))

    return Route("/openapi.json", answer)


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _property(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema, with a reference in place of gradio's description of a file."""
    schema, default = parameter["type"], parameter["parameter_default"]
    if parameter["python_type"]["type"] == "filepath":
        schema = {"$ref": "#/components/schemas/File", "description": schema["description"]}
    return schema if default is None else schema | {"default": default}


def _describe(parameter: dict[str, Any], text: str) -> None:
    """Set the type of a parameter, and its description."""
    schema: dict[str, Any] = dict(_OBJECTS.get(parameter["parameter_name"]) or parameter["type"])
    choices = schema.get("enum")
    if choices and all(isinstance(choice, int) for choice in choices):
        schema["type"] = "integer"
    if limits := re.fullmatch(r"numeric value between (\S+) and (\S+)", schema.get("description", "")):
        schema["minimum"], schema["maximum"] = map(float, limits.groups())
    schema.pop("additional_description", None)
    parameter["type"] = schema | {"description": text}
    written = client_utils.json_schema_to_python_type(schema)
    if schema.get("type") == "integer" and choices:
        written = f"Literal[{', '.join(map(str, choices))}]"
    parameter["python_type"] = {"type": written, "description": text}
