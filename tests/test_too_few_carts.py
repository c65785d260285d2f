"""A log with too little to learn from: what is told names what the person called."""

from pathlib import Path

from tests.commands import Commands
from tests.data.raw_files import at, write_rows


def test_carts_of_one_kind_are_told_with_the_command_that_takes_the_horizon(
    cartwise: Commands,
) -> None:
    rows = [
        at(f"{hour:02d}:{minute}0:00", event_type="cart", product_id=f"{hour}{minute}")
        for hour in range(10)
        for minute in range(6)
    ]
    write_rows(Path("log.csv"), rows)
    lacks = "of which 0 were bought: a model needs carts of both kinds"
    told = cartwise("run", "log.csv", "--out", "out", "--horizon", "1h", "--no-track", "-q")
    assert told.code == 1
    assert lacks in told.err
    assert told.err.endswith("pass a longer --horizon to 'cartwise run'\n")
    told = cartwise("train", "--training", "out/training", "--out", "model", "-q")
    assert told.code == 1
    assert lacks in told.err
    assert told.err.endswith("pass a longer --horizon to 'cartwise features'\n")


def test_purchases_without_a_session_ask_for_the_scope_that_needs_none(cartwise: Commands) -> None:
    rows = [
        at(f"{hour:02d}:{minute}0:00", event_type=kind, product_id=f"{hour}", user_session=session)
        for hour in range(10)
        for minute, kind, session in [(0, "cart", f"{hour}"), (1, "purchase", "")]
    ]
    write_rows(Path("log.csv"), rows)
    run = ("run", "log.csv", "--out", "out", "--horizon", "15m", "--no-track", "-q")
    told = cartwise(*run, "--label-scope", "session")
    assert told.code == 1
    assert "user_session is empty in each of the log's 10 purchases" in told.err
    assert "pass --label-scope user" in told.err
    write_rows(Path("more.csv"), [at("10:00:00", event_type="purchase", user_session="9")])
    told = cartwise("run", "more.csv", *run[2:], "--label-scope", "session")
    assert "of which 0 were bought" in told.err, "one purchase that names it is enough to go on"


def test_a_demo_of_too_few_visits_asks_for_more_of_them(cartwise: Commands) -> None:
    told = cartwise("demo", "--sessions", 30, "--days", 3, "--no-serve")
    assert told.code == 1
    last = told.err.splitlines()[-1]
    assert last.endswith("30 visits in 3 days are too few to learn from: pass more --sessions")


def test_a_demo_of_days_that_no_visits_can_make_enough_is_refused(cartwise: Commands) -> None:
    told = cartwise("demo", "--sessions", 30, "--days", 2, "--no-serve")
    assert told.code == 2
    assert "--days" in told.err
    assert not Path("demo").exists()
