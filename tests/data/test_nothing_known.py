"""What a person is told whose log leaves no cart with a known outcome, on the command line."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.commands import Commands, Outcome
from tests.data.raw_files import Row, at, event, write_rows

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
    assert "with --horizon 30m, 11 of 17 can be used" in told
    assert cartwise(*FEATURES, "--horizon", "30m").code == 0


def test_a_suggestion_leaves_out_what_the_embargo_takes(cartwise: Commands) -> None:
    with_carts_at(cartwise, range(40))
    # 15 minutes leave 25 known, of which the embargo takes all but 10.
    assert "with --horizon 5m, 30 of 40 can be used" in refused(cartwise(*FEATURES))
    assert cartwise(*FEATURES, "--horizon", "5m").code == 0
    parts = json.loads(Path("training/manifest.json").read_text())["parts"]
    assert sum(part["carts"] for part in parts.values()) == 30


def test_no_longer_horizon_is_suggested_as_a_shorter_one(cartwise: Commands) -> None:
    # The last month has next to no carts; three days' horizon would censor them, and make the month
    # before the last one.
    begin = datetime(2019, 10, 1, tzinfo=UTC)
    times = [begin + timedelta(hours=hour) for hour in range(94 * 24)]
    rows = [
        event(event_time=f"{time:%Y-%m-%d %H:%M:%S} UTC", event_type="cart", product_id=str(place))
        for place, time in enumerate(times)
    ]
    assert cartwise("ingest", write_rows(Path("log.csv"), rows), "--out", "events", "-q").code == 0
    assert "shorter horizon" not in refused(cartwise(*FEATURES, "--split", "month"))


def test_carts_near_suspect_spans_are_told_with_a_horizon_and_the_file(cartwise: Commands) -> None:
    with_carts_at(cartwise, range(0, 170, 10))
    Path("mine.toml").write_text(
        "[[span]]\nstart = 2019-10-01T01:00:00Z\nend = 2019-10-01T02:00:00Z\n"
        'kind = "purchases_missing"\n'
    )
    told = refused(cartwise(*FEATURES, "--horizon", "1h", "--outages", "mine.toml"))
    assert "too near to the end or to a suspect span" in told
    assert "with --horizon 5m, 10 of 17 can be used" in told
    assert "correct the spans in mine.toml" in told
    assert cartwise(*FEATURES, "--horizon", "5m", "--outages", "mine.toml").code == 0


@pytest.mark.parametrize(
    ("horizon", "why"),
    [
        ("23h", "6 carts with a known outcome cannot be parted"),
        ("20h", "are too few, or too close"),
    ],
)
def test_carts_that_cannot_be_parted_are_told_with_a_horizon_that_parts_them(
    cartwise: Commands, horizon: str, why: str
) -> None:
    with_carts_at(cartwise, range(0, 24 * 60, 10))
    told = refused(cartwise(*FEATURES, "--horizon", horizon))
    assert why in told
    assert re.search(r"give a log of 2 d (21|12) h or more, or pass a shorter horizon", told)
    assert "with --horizon 4h, 96 of 144 can be used" in told
    assert cartwise(*FEATURES, "--horizon", "4h").code == 0


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
    row = "'2019-10-01 00:00:00 UTC,add_to_cart,0,"
    assert (
        f"the ingest refused 9 rows because of event_type, such as log.csv, line 4: {row}" in told
    )
    assert (
        "(accepted: view, cart, remove_from_cart or purchase); by type: 'add_to_cart' 9: if "
        in told
    )
    again = refused(cartwise("features", "--events", "out/events", "--out", "training", "-q"))
    assert again == told
    mended = [{**row, "event_type": row["event_type"].replace("add_to_", "")} for row in rows]
    write_rows(Path("log.csv"), mended)
    told = cartwise("run", "log.csv", "--out", "out", "--horizon", "1h", "--no-track", "-q").err
    assert "carts of both kinds" in told
    assert "no cart event" not in told


RENAME = "if one of these types is your cart, call it 'cart'"


def without_carts(cartwise: Commands, *rows: Row, source: str = "log.csv") -> str:
    """What is told of a lake in ``events`` that got a view and these rows, too."""
    write_rows(Path(source), [at("00:00:00"), *rows])
    assert cartwise("ingest", source, "--out", "events", "-q").code == 0
    return refused(cartwise(*FEATURES)).partition("nothing to learn: ")[2]


def carts(**fields: str) -> list[Row]:
    """Nine carts that lack something."""
    return [at(f"0{hour}:00:00", **{"event_type": "cart", **fields}) for hour in range(9)]


WISH = at("00:00:01", event_type="wishlist")


def test_what_most_rows_were_refused_for_is_told(cartwise: Commands) -> None:
    told = without_carts(cartwise, WISH, *carts(price=""))
    assert told.startswith("give a log with carts; the ingest refused 9 rows because of price, ")
    assert "such as log.csv, line 4: '2019-10-01 00:00:00 UTC,cart," in told
    assert told.endswith("(accepted: a number such as 130.76, from 0 to below 10^12)\n")


def test_carts_without_a_session_are_told_as_such(cartwise: Commands) -> None:
    told = without_carts(cartwise, WISH, *carts(user_session=""))
    assert told.startswith("user_session is empty in 9 carts: fill it in, and ingest the log ")
    assert "; the ingest refused 1 row because of event_type, such as log.csv, line 3: '" in told
    assert RENAME in told


def test_a_type_that_is_empty_is_not_to_be_renamed(cartwise: Commands) -> None:
    told = without_carts(cartwise, *carts(event_type=""))
    assert "the ingest refused 9 rows because of event_type" in told
    assert told.endswith("(accepted: view, cart, remove_from_cart or purchase)\n")


def test_what_an_earlier_ingest_refused_is_told(cartwise: Commands) -> None:
    assert RENAME in without_carts(cartwise, *carts(event_type="add_to_cart"))
    told = without_carts(cartwise, source="clean.csv")
    assert "refused 9 rows because of event_type, such as log.csv, line 3: '" in told
    assert RENAME in told


def test_types_that_are_not_known_are_told_by_count(cartwise: Commands) -> None:
    told = without_carts(cartwise, WISH, *carts(event_type="add_to_cart"))
    assert f"; by type: 'add_to_cart' 9, 'wishlist' 1: {RENAME}" in told
    told = without_carts(cartwise, WISH, source="more.csv")
    assert f"remove_from_cart or purchase): {RENAME}" in told, "those of the latest are not all"


def test_rows_of_a_table_are_told_as_rows(cartwise: Commands) -> None:
    told = without_carts(cartwise, *carts(event_type="add_to_cart"), source="log.parquet")
    assert "such as log.parquet, row 2: '2019-10-01 00:00:00 UTC,add_to_cart," in told


@pytest.mark.parametrize("damaged", ["ingest.json", "quarantine/*.parquet"])
def test_a_damaged_witness_does_not_take_the_place_of_the_reason(
    cartwise: Commands, damaged: str
) -> None:
    without_carts(cartwise, WISH)
    for file in Path("events").glob(damaged):
        file.write_text("{")
    told = refused(cartwise(*FEATURES))
    assert "nothing to learn: give a log with carts" in told
    assert (RENAME in told) is (damaged == "ingest.json")


def test_a_log_without_carts_is_told_so(cartwise: Commands) -> None:
    assert without_carts(cartwise) == "give a log with carts\n"
