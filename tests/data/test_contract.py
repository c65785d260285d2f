from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise.data.contract import LINE, Checked, check, parse_times
from cartwise.events import COLUMNS, EVENT_SCHEMA, TEXTS
from tests.data.raw_files import DEFAULT, Row, event

MIDNIGHT = datetime(2019, 10, 1, tzinfo=UTC)


def checked(*rows: Row) -> Checked:
    """Part rows given as text, numbered from 1."""
    fields = {name: [row[name] or None for row in rows] for name in COLUMNS}
    text = pl.DataFrame(fields, schema=dict.fromkeys(COLUMNS, pl.String))
    return check(text.with_row_index(LINE, offset=1).cast({LINE: pl.Int64}))


@pytest.mark.parametrize(
    ("field", "text", "rules"),
    [
        ("event_time", "", ["event_time_given"]),
        ("event_time", "1.10.2019", ["event_time_readable"]),
        ("event_time", "1969-12-31 23:59:59 UTC", ["event_time_in_range"]),
        ("event_time", "2262-01-01 00:00:00 UTC", ["event_time_in_range"]),
        ("event_type", "", ["event_type_given"]),
        ("event_type", "VIEW", ["event_type_known"]),
        ("product_id", "", ["product_id_given"]),
        ("product_id", "9223372036854775808", ["product_id_readable"]),
        ("category_id", "shoes", ["category_id_readable"]),
        ("price", "", ["price_given"]),
        ("price", "1,5", ["price_readable"]),
        ("price", "-0.01", ["price_not_negative"]),
        ("price", "nan", ["price_finite"]),
        ("price", "inf", ["price_finite"]),
        ("price", "1e12", ["price_in_range"]),
        ("price", "1.7e308", ["price_in_range"]),
        ("price", "-inf", ["price_finite", "price_not_negative"]),
        ("user_id", "", ["user_id_given"]),
        ("user_id", "1.0", ["user_id_readable"]),
        *((name, "ä" * 1001, [f"{name}_not_too_long"]) for name in TEXTS),
    ],
)
def test_a_broken_rule_is_named(field: str, text: str, rules: list[str]) -> None:
    parted = checked(event(), event(**{field: text}), event())
    assert parted.refused.rows() == [(2, rules)]
    assert parted.events.height == 2


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("category_id", "", None),
        ("category_code", "", None),
        ("brand", "", None),
        ("user_session", "", None),
        ("event_type", "remove_from_cart", "remove_from_cart"),
        *((name, "😀" * 1000, "😀" * 1000) for name in TEXTS),
        ("product_id", "9223372036854775807", 2**63 - 1),
        ("user_id", "-9223372036854775808", -(2**63)),
        ("price", "0", 0.0),
        ("price", "2574.07", 2574.07),
        ("price", "999999999999.99", 999999999999.99),
        ("event_time", "1970-01-01 00:00:00 UTC", datetime(1970, 1, 1, tzinfo=UTC)),
        ("event_time", "2261-12-31 23:59:59 UTC", datetime(2261, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_what_the_log_is_full_of_is_kept(field: str, text: str, value: object) -> None:
    parted = checked(event(**{field: text}))
    assert parted.events.schema == EVENT_SCHEMA
    assert parted.events[field].to_list() == [value]


def test_all_broken_rules_of_a_row_are_named() -> None:
    parted = checked(dict.fromkeys(DEFAULT, ""))
    assert parted.refused["rules"].to_list() == [
        [f"{name}_given" for name in ("event_time", "event_type", "product_id", "price", "user_id")]
    ]


def test_minus_zero_is_zero() -> None:
    prices = checked(event(price="-0.0"), event(price="0")).events["price"]
    assert str(prices.to_list()) == "[0.0, 0.0]"


@pytest.mark.parametrize(
    "text",
    [
        "2019-10-01 00:00:00 UTC",
        "2019-10-01 00:00:00",
        "2019-10-01T00:00:00",
        "2019-10-01T00:00:00Z",
        "2019-10-01T03:00:00+03:00",
        "2019-10-01 03:00:00+0300",
        "2019-09-30 18:30:00-05:30",
        "2019-10-01 00:00:00+00",
        "2019-10-01T00:00:00.999Z",
        "2019-10-01 00:00:00.123456 UTC",
    ],
)
def test_a_time_is_read_in_its_usual_forms(text: str) -> None:
    times = parse_times(pl.Series("event_time", [text, "2019-10-01 00:00:00 UTC", None]))
    assert times.dtype == EVENT_SCHEMA["event_time"]
    assert times.to_list() == [MIDNIGHT, MIDNIGHT, None]


@pytest.mark.parametrize(
    "text", ["2019-10-01", "12:00:00", "1569888000", "2019-02-29 00:00:00 UTC"]
)
def test_what_is_no_time_is_null(text: str) -> None:
    assert parse_times(pl.Series("event_time", [text])).to_list() == [None]


@given(st.lists(st.text("0123456789-:.+TZUC ", max_size=30) | st.text(max_size=5), min_size=1))
def test_no_text_is_too_odd_to_be_read_or_refused(texts: list[str]) -> None:
    parted = checked(*(event(event_time=text) for text in texts))
    assert parted.events.height + parted.refused.height == len(texts)


@given(
    number=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2_000_000_000_000),
    unit=st.sampled_from(["ms", "us", "ns"]),
    zone=st.sampled_from([None, "UTC", "Asia/Kolkata"]),
)
def test_a_native_time_is_the_second_it_lies_in_or_refused(
    number: int, unit: Any, zone: str | None
) -> None:
    per_second = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    # A naive time is UTC, and so is what a zoned one counts from.
    times = pl.Series("event_time", [number], pl.Int64).cast(pl.Datetime(unit, zone))
    rest = {name: [event()[name]] for name in COLUMNS[1:]}
    parted = check(pl.DataFrame({LINE: [1], "event_time": times, **rest}))

    seconds = number // per_second
    in_range = 0 <= seconds < datetime(2262, 1, 1, tzinfo=UTC).timestamp()
    assert parted.events["event_time"].dt.timestamp("ms").to_list() == [seconds * 1000] * in_range
    assert parted.refused.height == (not in_range)


def test_a_column_of_nothing_is_not_given() -> None:
    rows = pl.DataFrame({LINE: [1], **dict.fromkeys(COLUMNS)})
    assert "event_time_given" in check(rows).refused["rules"][0]
