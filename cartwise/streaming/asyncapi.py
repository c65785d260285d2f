"""The AsyncAPI document of the topics: ``python -m cartwise.streaming.asyncapi``.

It follows from :mod:`cartwise.wire` and :mod:`cartwise.streaming.topics`, and is kept in
``docs/asyncapi.yaml`` for readers of other languages.
"""

import sys
from inspect import cleandoc
from typing import Any, Final

import msgspec

from cartwise.streaming.topics import Topics
from cartwise.wire import DeadLetter, EventMessage, Score

_MESSAGES: Final = {"events": EventMessage, "scores": Score, "dead_letters": DeadLetter}
_KEYS: Final = {
    "events": "The user_id as decimal text, so that a user's events are in one partition, in order;"
    " partitioned by murmur2, as Kafka's Java client does (librdkafka: murmur2_random).",
    "scores": "The user_id as decimal text.",
    "dead_letters": "topic/partition/offset of the message.",
}
_OPERATIONS: Final = {
    "events": ("receive", "A worker applies events to the states, the archive keeps them."),
    "scores": ("send", "A worker publishes the score of each session's first cart of a product."),
    "dead_letters": ("send", "A worker puts aside what is no event."),
}


def document() -> dict[str, Any]:
    """The document as data."""
    _, schemas = msgspec.json.schema_components(
        _MESSAGES.values(), ref_template="#/components/schemas/{name}"
    )
    topics = Topics.of("{prefix}")._asdict()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cartwise topics",
            "version": "1.0.0",
            "description": "Events of a shop, and what Cartwise makes of them. JSON in UTF-8; "
            "fields may be added, readers ignore those that they do not know.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, topic) for name, topic in topics.items()},
        "operations": {name: _operation(name) for name in topics},
        "components": {
            "messages": {kind.__name__: _message(name) for name, kind in _MESSAGES.items()},
            "schemas": {name: _tidy(schema) for name, schema in schemas.items()},
        },
    }


def render() -> str:
    """The document as YAML."""
    return msgspec.yaml.encode(document(), order="deterministic").decode()


def _channel(name: str, topic: str) -> dict[str, Any]:
    message = _MESSAGES[name].__name__
    return {
        "address": topic,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "parameters": {"prefix": {"description": "CARTWISE_TOPIC_PREFIX", "default": "cartwise"}},
    }


def _operation(name: str) -> dict[str, Any]:
    action, summary = _OPERATIONS[name]
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": summary,
    }


def _message(name: str) -> dict[str, Any]:
    return {
        "payload": {"$ref": f"#/components/schemas/{_MESSAGES[name].__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": _KEYS[name]}}},
    }


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "description": cleandoc(schema.get("description", ""))}


if __name__ == "__main__":
    sys.stdout.write(render())
