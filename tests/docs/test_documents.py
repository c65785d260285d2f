"""What the documents say is run, and what they point to is there."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartwise.cli import COMMANDS
from cartwise.data.day_files import KEYS
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.documentation import render
from tests.commands import Commands

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def commands_in(document: Path) -> Iterator[list[str]]:
    for block in re.findall(r"<!-- tested -->\n```sh\n(.*?)```", document.read_text(), re.DOTALL):
        yield from (shlex.split(line) for line in block.splitlines())


def test_the_commands_of_the_readme_work_in_their_order(cartwise: Commands) -> None:
    commands = list(commands_in(ROOT / "README.md"))
    assert len(commands) >= 7
    for program, *arguments in commands:
        assert program == "cartwise"
        told = cartwise(*arguments)
        assert told.code == 0, f"{arguments}: {told.err}"
    for name in ("report.html", "metrics.json", "model", "training", "events"):
        assert Path("out", name).exists()


def test_the_page_of_features_is_that_of_the_specification() -> None:
    assert (ROOT / "docs/features.md").read_text() == render(SPECIFICATION), (
        "run: .venv/bin/python -m cartwise.features.documentation > docs/features.md"
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    local = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    missing = [link for link in local if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_only_commands_and_files_that_exist(document: Path) -> None:
    commands = {command.name for command in COMMANDS}
    named = set(re.findall(r"`cartwise ([a-z]+)", document.read_text()))
    assert named <= commands
    modules = re.findall(r"`((?:cartwise|tests|benchmarks)/[\w/]+\.\w+)`", document.read_text())
    assert [module for module in modules if not (ROOT / module).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_modules_are_run_by_the_interpreter_that_has_what_they_need(document: Path) -> None:
    assert re.findall(r"(?<!\.venv/bin/)python -m \w+\.?\w*", document.read_text()) == []


def test_the_present_number_of_features_is_told() -> None:
    features = len(SPECIFICATION.vector)
    keys_row_and_label = len(KEYS) + 2
    assert f" {features} features are left:" in (ROOT / "docs/quality.md").read_text()
    performance = (ROOT / "docs/performance.md").read_text()
    assert f"one row of {features} features" in performance
    assert re.search(rf"files of {features + keys_row_and_label}\scolumns", performance)


def test_the_layers_are_told_as_they_are_checked() -> None:
    told = (ROOT / "docs/architecture.md").read_text().partition("## Who imports whom")[2]
    drawn = "".join(re.findall(r"^ {4}(.*)\n", told, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = project["tool"]["importlinter"]["contracts"]
    layers = [set(layer.split(" | ")) for layer in contract["layers"]]
    assert [set(re.findall(r"\w+", layer)) for layer in drawn.split("→")] == layers


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert [target for target in targets if f"make {target}" not in shown.stdout] == []


def test_every_decision_is_numbered_in_order() -> None:
    names = [path.name for path in sorted((ROOT / "docs/adr").glob("*.md"))]
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
