import os
import re
import subprocess
from html import unescape
from pathlib import Path

import pytest

from cartwise.model.bundle import Bundle
from cartwise.serving.curl_examples import example_of
from cartwise.serving.documentation import render
from tests.serving.running import running
from tests.serving.worlds import World, history, make_world


@pytest.fixture
def world(model: Path, tmp_path: Path) -> World:
    report = tmp_path / "report.html"
    report.write_text(Bundle.load(model).version)
    world = make_world(model, report=report)
    world.states.apply(history())
    return world


@pytest.fixture
def page(world: World) -> str:
    return render(world.app.openapi(), style="")


def test_every_operation_and_schema_is_shown_and_every_link_leads_somewhere(
    world: World, page: str
) -> None:
    document = world.app.openapi()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<span class=method>{method.upper()}</span> {path}<" in page
    ids = re.findall(r'id="([^"]+)"', page)
    assert set(document["components"]["schemas"]) < set(ids)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_every_command_of_the_page_is_answered(world: World, page: str) -> None:
    commands = [unescape(one) for one in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)]
    assert len(commands) == 12
    with running(world.app) as address:
        env = os.environ | {"CARTWISE_API": address, "CARTWISE_KEY": world.keys["all"]}
        for command in commands:
            told = subprocess.run(
                ["sh", "-c", command], env=env, capture_output=True, text=True, check=False
            )
            assert told.returncode == 0, command + told.stdout


def test_what_the_document_says_stays_text(world: World) -> None:
    world.app.description = "<script>alert(1)</script> `a < b`"
    page = render(world.app.openapi(), style="")
    assert "<script" not in page
    assert "<code>a &lt; b</code>" in page


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"$ref": "#/components/schemas/Thing"}, {"size": 1, "kind": "round"}),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"type": "number", "default": 0.25}, 0.25),
        ({"type": "integer", "examples": [7], "default": 3}, 7),
    ],
)
def test_an_example_fits_its_schema(schema: dict[str, object], example: object) -> None:
    fields = {"size": {"type": "integer"}, "kind": {"type": "string", "enum": ["round", "flat"]}}
    assert example_of(schema, {"Thing": {"properties": fields}}) == example
