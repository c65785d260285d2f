"""What a person is told whose log leaves no cart with a known outcome, on the command line."""

import re
from pathlib import Path

import pytest

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


def test_carts_by_another_name_are_told_with_the_name_that_is_accepted(cartwise: Commands) -> None:
    rows = [
        at(f"0{hour}:00:00", event_type=kind, price=price, product_id=str(hour))
        for hour in range(9)
        for kind, price in [("view", ""), ("view", "9"), ("add_to_cart", "9"), ("purchase", "9")]
    ]
    write_rows(Path("log.csv"), rows)
    told = refused(cartwise("run", "log.csv", "--out", "out", "--no-track", "-q"))
    assert "holds no cart event" in told
    refusal = (
        "the ingest refused 9 rows because of event_type, such as log.csv, line 4: 'add_to_cart'"
    )
    assert f"{refusal} (accepted: view, cart, remove_from_cart or purchase); " in told
    assert "is called 'cart': rename it" in told
    again = refused(cartwise("features", "--events", "out/events", "--out", "training", "-q"))
    assert again == told
    mended = [{**row, "event_type": row["event_type"].replace("add_to_", "")} for row in rows]
    write_rows(Path("log.csv"), mended)
    told = cartwise("run", "log.csv", "--out", "out", "--horizon", "1h", "--no-track", "-q").err
    assert "carts of both kinds" in told
    assert "no cart event" not in told


def test_carts_that_were_refused_for_another_reason_are_told(cartwise: Commands) -> None:
    rows = [at("00:00:00"), at("00:00:01", event_type="cart", price="")]
    write_rows(Path("log.csv"), rows)
    told = refused(cartwise("run", "log.csv", "--out", "out", "--no-track", "-q"))
    assert "give a log with carts; the ingest refused 1 row because of price, such as log" in told
    assert "log.csv, line 3: '' (accepted: a number" in told


@pytest.mark.parametrize("keeps_report", [True, False])
def test_a_log_without_carts_is_told_so(cartwise: Commands, *, keeps_report: bool) -> None:
    write_rows(Path("log.csv"), [at("00:00:00"), at("00:00:01")])
    cartwise("ingest", "log.csv", "--out", "events", "-q")
    if not keeps_report:
        Path("events/ingest.json").unlink()
    assert refused(cartwise(*FEATURES)).endswith("nothing to learn: give a log with carts\n")
