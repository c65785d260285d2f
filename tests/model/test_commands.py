"""What ``cartwise train`` and ``evaluate`` tell a person at their end."""

import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.commands import Commands
from tests.model.conftest import Outcome

QUICK = "boosting: {learning_rate: 0.2, depth: 3, rounds: 60, patience: 10}\n"


def test_training_ends_with_a_few_lines_of_which_the_last_leads_to_the_report(
    cartwise: Commands, outcome: Outcome
) -> None:
    Path("quick.yaml").write_text(QUICK)
    train = ("train", "--training", outcome.world.training, "--params", "quick.yaml", "-q", "--out")
    told = cartwise(*train, "a model")
    assert told.code == 0, told.err
    *lines, last = told.out.splitlines()
    assert len(lines) < 9
    assert re.search(r"learned from +[\d,]+ carts", told.out)
    assert re.search(r"boosting +depth \d, \d+ rounds? *\n", told.out)
    assert re.search(r"log loss +0\.\d{4} *\n", told.out)
    program, *command = shlex.split(last.removeprefix("next: "))
    assert program == "cartwise"
    told = cartwise(*command, "-q")
    assert told.code == 0, told.err
    report, serve = told.out.splitlines()[-2:]
    address = report.removeprefix("report: ")
    assert Path(urlsplit(address).path) == Path("evaluation/report.html").resolve()
    given = ["--model", "a model", "--report", "evaluation/report.html", "--no-auth"]
    assert shlex.split(serve) == ["next:", "cartwise", "serve", *given]


def test_a_model_that_ranks_worse_is_not_said_to_be_served_next(
    cartwise: Commands, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cartwise.commands.model.is_worse", lambda _: True)
    given = ("--model", outcome.model, "--training", outcome.world.training, "--bundle", "fuller")
    told = cartwise("evaluate", *given, "--out", "evaluation", "-q")
    assert told.code == 0, told.err
    assert told.out.splitlines()[-1].startswith("report: ")


def test_all_that_training_measured_is_in_its_json(cartwise: Commands, outcome: Outcome) -> None:
    Path("quick.yaml").write_text(QUICK)
    train = ("train", "--training", outcome.world.training, "--params", "quick.yaml", "-q", "--out")
    told = cartwise(*train, "model", "--json")
    assert json.loads(told.out) == json.loads(Path("model/metrics.json").read_text())
