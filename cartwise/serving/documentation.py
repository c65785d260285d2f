"""The page at ``/docs``: the API's own document for people, one file without scripts.

It is made here and asks nobody for anything, so it works where there is no network, and its policy
lets a browser load nothing but its one style sheet.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from cartwise.serving.curl_examples import curl, name_of

_CODE: Final = re.compile(r"`([^`]+)`")
_BOUNDS: Final[Mapping[str, str]] = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "maxLength": "at most {} characters",
    "default": "{} by default",
}
_INT64: Final = {"minimum": -(2**63), "maximum": 2**63 - 1}

Document = Mapping[str, Any]
"""OpenAPI 3.1, or a part of it."""


def documentation_routes(document: Callable[[], Document]) -> APIRouter:
    """The route that shows ``document()``, which is asked for once."""
    router = APIRouter(include_in_schema=False)
    style = files("cartwise.serving").joinpath("documentation.css").read_text()
    page = functools.cache(lambda: render(document(), style))
    headers = {"Content-Security-Policy": _policy(style)}

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(), headers=headers)

    return router


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def render(document: Document, style: str) -> str:
    """The whole page."""
    info, schemas = document["info"], document["components"]["schemas"]
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{style}</style></head><body><main>"
        f"<h1>The API of {escape(info['title'])}</h1>{_prose(info['description'])}"
        f"<p class=quiet>Version {escape(info['version'])}. For programs: "
        '<a href="openapi.json">openapi.json</a>.</p>'
        "<p class=quiet>In what follows, <code>$CARTWISE_API</code> is this server's address and "
        "<code>$CARTWISE_KEY</code> the key.</p>"
        f"<h2>Routes</h2><nav><ul>{_each(_entry, operations)}</ul></nav>"
        f"{_each(functools.partial(_operation, schemas), operations)}"
        f"<h2>What is sent and answered</h2>{_each(_schema, schemas.items())}"
        "</main></body></html>\n"
    )


def _each(render_one: Callable[..., str], many: Iterable[tuple[Any, ...]]) -> str:
    return "".join(render_one(*one) for one in many)


def _entry(method: str, path: str, operation: Document) -> str:
    link = f'<a href="#{operation["operationId"]}">{_route(method, path)}</a>'
    return f"<li>{link} {escape(operation['summary'])}</li>"


def _route(method: str, path: str) -> str:
    return f"<code class=route><span class=method>{method.upper()}</span> {escape(path)}</code>"


def _operation(schemas: Document, method: str, path: str, operation: Document) -> str:
    command = escape(curl(method, path, operation, schemas))
    parameters = [(one["name"], one) for one in operation.get("parameters", ())]
    body = operation.get("requestBody")
    return (
        f'<section id="{operation["operationId"]}"><h3>{_route(method, path)}</h3>'
        f"<p>{escape(operation['summary'])}. <span class=quiet>{_key(operation)}</span></p>"
        f"{_prose(operation['description'])}"
        + (f"<h4>In the query</h4>{_fields(parameters)}" if parameters else "")
        + (f"<h4>In the body</h4><p>{_content(body)}</p>" if body else "")
        + f"<h4>Ask</h4><pre>{command}</pre><h4>Answers</h4>{_answers(operation['responses'])}"
        "</section>"
    )


def _key(operation: Document) -> str:
    scopes = [scope for one in operation.get("security", ()) for scope in one["key"]]
    return f"Needs a key with the scope {' or '.join(scopes)}." if scopes else "Needs no key."


def _answers(responses: Document) -> str:
    """A row for each kind of answer; statuses that answer alike share one."""
    alike: dict[str, list[str]] = {}
    for status, response in responses.items():
        alike.setdefault(_content(response), []).append(status)
    return _table((", ".join(statuses), content) for content, statuses in alike.items())


def _content(message: Document) -> str:
    told = (
        _type(content["schema"]) if content.get("schema") else escape(media)
        for media, content in message["content"].items()
    )
    return ", ".join(told)


def _schema(name: str, schema: Document) -> str:
    required = schema.get("required", ())
    fields = [
        (field, {**one, "required": field in required})
        for field, one in schema["properties"].items()
    ]
    return (
        f'<section id="{name}"><h3>{name}</h3>{_prose(schema["description"])}'
        f"{_fields(fields)}</section>"
    )


def _fields(fields: Iterable[tuple[str, Document]]) -> str:
    return _table((f"<code>{escape(name)}</code>", _field(one)) for name, one in fields)


def _field(field: Document) -> str:
    schema = {**field, **field.get("schema", {})}
    told = [_type(schema), *_bounds(schema)]
    if not field.get("required"):
        told.append("may be left out")
    return f"<span class=quiet>{', '.join(told)}</span>{_prose(field.get('description', ''))}"


def _type(schema: Document) -> str:
    if "$ref" in schema:
        return f'<a href="#{name_of(schema)}">{name_of(schema)}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(value)}</code>" for value in schema["enum"])
    return escape(schema.get("format") or schema.get("type", "anything"))


def _bounds(schema: Document) -> list[str]:
    """What bounds a value, in words; those of alternatives are those of the first one."""
    bounded = {**next(iter(schema.get("anyOf", ())), {}), **schema}
    if bounded.items() >= _INT64.items():
        return ["64 bits"]
    return [
        form.format(f"{bounded[name]:g}" if isinstance(bounded[name], float) else bounded[name])
        for name, form in _BOUNDS.items()
        if bounded.get(name) not in (None, [], {})
    ]


def _table(rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(f"<tr><th scope=row>{head}</th><td>{told}</td></tr>" for head, told in rows)
    return f"<table>{body}</table>"


def _prose(text: str) -> str:
    """Paragraphs of Markdown's simplest kind: words, and code between backticks."""
    marked = _CODE.sub(r"<code>\1</code>", escape(text))
    return "".join(f"<p>{paragraph}</p>" for paragraph in marked.split("\n\n") if paragraph)
