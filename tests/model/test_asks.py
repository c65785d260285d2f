import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cartwise.model.asks import Ask

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def span(first: datetime, last: datetime) -> dict[str, Any]:
    return {"first": first.isoformat(), "last": last.isoformat()}


ASK = Ask("old", "0" * 16, **span(BEGIN, BEGIN + 8 * DAY), carts=5000, seed=7, draws=300, twins=5)


def test_the_same_question_keeps_its_number_whatever_was_asked_since() -> None:
    own = ASK.kept(1) | replace(ASK, seed=8).kept(3)
    assert ASK.try_number(own, [ASK.kept(2)]) == 1
    assert replace(ASK, seed=8).try_number(own, [ASK.kept(2)]) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 8},
        {"draws": 1000},
        {"twins": 0},
        {"champion": "new"},
        {"training_set": "1" * 16},
        {"carts": 5001},
        span(BEGIN, BEGIN + 9 * DAY),
    ],
)
def test_whatever_chance_can_answer_differently_is_another_try(changed: Mapping[str, Any]) -> None:
    assert replace(ASK, **changed).try_number(ASK.kept(1), []) == 2


def test_the_same_question_about_another_version_is_another_try() -> None:
    assert ASK.try_number({}, [ASK.kept(1), {}, ASK.kept(2)]) == 3


@pytest.mark.parametrize(("days", "number"), [(3, 2), (5, 1)])
def test_only_what_was_asked_on_most_of_the_carts_counts(days: int, number: int) -> None:
    later = replace(ASK, **span(BEGIN + days * DAY, BEGIN + (8 + days) * DAY))
    assert later.try_number(ASK.kept(1), []) == number


def test_a_question_is_kept_in_words() -> None:
    ((name, told),) = ASK.kept(4).items()
    assert name.startswith("gate_asked.")
    assert json.loads(told)["try"] == 4
    assert json.loads(told)["seed"] == 7
