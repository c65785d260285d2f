"""What a person is told whose log leaves no cart with a known outcome, on the command line."""

import re
from pathlib import Path

from tests.commands import Commands, Outcome
from tests.data.raw_files import at, write_rows

FEATURES = ("features", "--events", "events", "--out", "training", "-q")


def with_carts_at(cartwise: Commands, minutes: range) -> None:
    """A lake in ``events`` with a cart, of another product, at each of these minutes."""
    rows = [
        at(f"{minute // 60:02d}:{minute % 60:02d}:00", event_type="cart", product_id=str(minute))
        for minute in minutes
    ]
    assert cartwise("ingest", write_rows(Path("log.csv"), rows), "--out", "events", "-q").code == 0


def refused(told: Outcome) -> str:
    """What a command said that had to refuse, in one sentence."""
    assert told.code == 1
    assert told.err.count("\n") == 1
    assert not Path("training").exists()
    return told.err


def test_a_horizon_longer_than_the_log_is_told_with_one_that_fits(cartwise: Commands) -> None:
    with_carts_at(cartwise, range(0, 170, 10))
    told = refused(cartwise(*FEATURES))
    assert "spans 2 h 40 min" in told
    assert "horizon of 24 h the outcome of none of its 17 carts is known" in told
    assert "with --horizon 1h, 11 of 17 would be known" in told
    assert cartwise(*FEATURES, "--horizon", "1h").code == 0


def test_carts_near_suspect_spans_are_told_with_a_horizon_and_the_file(cartwise: Commands) -> None:
    with_carts_at(cartwise, range(0, 170, 10))
    Path("mine.toml").write_text(
        "[[span]]\nstart = 2019-10-01T01:00:00Z\nend = 2019-10-01T02:00:00Z\n"
        'kind = "purchases_missing"\n'
    )
    told = refused(cartwise(*FEATURES, "--horizon", "1h", "--outages", "mine.toml"))
    assert "too near to the end or to a suspect span" in told
    assert "with --horizon 5m, 10 of 17 would be known" in told
    assert "correct the spans in mine.toml" in told
    assert cartwise(*FEATURES, "--horizon", "5m", "--outages", "mine.toml").code == 0


def test_no_horizon_is_suggested_where_none_would_do(cartwise: Commands) -> None:
    with_carts_at(cartwise, range(1))
    told = refused(cartwise(*FEATURES))
    assert re.search(r"none of its 1 cart is known: give a longer log\n$", told)
