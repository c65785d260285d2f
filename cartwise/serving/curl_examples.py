"""How to ask: a command for a shell, with values that the API's document gives as examples."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final

_BY_TYPE: Final[Mapping[str, Any]] = {
    "string": "text",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "object": {},
    "null": None,
}


def curl(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """The command that asks for an operation of the document; what it sends is an example."""
    parts = [f'curl --fail-with-body -s "$CARTWISE_API{path}"']
    if method == "post" and "requestBody" not in operation:
        parts.append("-X POST")
    if operation.get("security"):
        parts.append('-H "Authorization: Bearer $CARTWISE_KEY"')
    if body := operation.get("requestBody"):
        ((media, content),) = body["content"].items()
        example = json.dumps(example_of(content["schema"], schemas), indent=1)
        parts += [f'-H "Content-Type: {media}"', f"-d {shlex.quote(example)}"]
    return " \\\n  ".join(parts)


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A value that a schema of the document allows; ``schemas`` are those that it refers to."""
    if "$ref" in schema:
        return example_of(schemas[name_of(schema)], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if "properties" in schema:
        return {name: example_of(one, schemas) for name, one in schema["properties"].items()}
    if "items" in schema:
        return [example_of(schema["items"], schemas)]
    return schema["enum"][0] if "enum" in schema else _BY_TYPE[schema["type"]]


def name_of(reference: Mapping[str, Any]) -> str:
    """The name of the schema that a reference means."""
    return str(reference["$ref"]).rpartition("/")[2]
