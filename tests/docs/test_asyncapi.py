"""The document of the topics is that of the code, and a real message fits it."""

from pathlib import Path

import msgspec

from cartwise import wire
from cartwise.streaming.asyncapi import document, render
from tests.streaming.worlds import view

DOCUMENT = Path(__file__).parents[2] / "docs/asyncapi.yaml"


def test_the_document_of_the_topics_is_that_of_the_code() -> None:
    assert DOCUMENT.read_text() == render(), (
        "run: python -m cartwise.streaming.asyncapi > docs/asyncapi.yaml"
    )


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    for reference in _references(whole):
        place = whole
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_an_event_has_the_fields_of_the_document() -> None:
    schema = document()["components"]["schemas"]["EventMessage"]
    sent = msgspec.json.decode(wire.encode_event(view(0)))
    assert sent.keys() == schema["properties"].keys()
    assert sent.keys() >= set(schema["required"])


def _references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [found for value in part.values() for found in _references(value)]
    return (
        [found for value in part for found in _references(value)] if isinstance(part, list) else []
    )
