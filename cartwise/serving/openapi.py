"""What the document of the API says beyond what FastAPI finds out by itself: keys and problems."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI

from cartwise.serving.keys import Scope
from cartwise.serving.problems import Problem

_KEY: Final = "key"
_INEXACT: Final = {float(bound): bound for bound in (-(2**63), 2**63 - 1)}


def describe_keys(app: FastAPI, scopes: Mapping[str, Scope]) -> None:
    """Let the document say which paths need a key of which scope, and what problems look like."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        return made() if app.openapi_schema else _completed(made(), scopes)

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any], scopes: Mapping[str, Scope]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    components["securitySchemes"] = {_KEY: {"type": "http", "scheme": "bearer"}}
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    for path, scope in scopes.items():
        for operation in document["paths"][path].values():
            operation["security"] = [{_KEY: [scope]}]
    _keep_digits(document)
    return document


def _keep_digits(part: Any) -> None:
    """Make bounds of 64-bit integers exact again: FastAPI passes them through a float."""
    if isinstance(part, dict):
        for name in ("minimum", "maximum"):
            bound = part.get(name)
            if isinstance(bound, float) and bound in _INEXACT:
                part[name] = _INEXACT[bound]
        for below in part.values():
            _keep_digits(below)
    elif isinstance(part, list):
        for below in part:
            _keep_digits(below)
