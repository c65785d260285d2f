"""A message is read as ingest reads a row: the same events, the same refusals, the same names."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise import wire
from cartwise.data.contract import LINE, check
from cartwise.data.raw_rows import without_empty_text
from cartwise.errors import RefusedMessage
from cartwise.events import COLUMNS, EVENT_TYPES
from cartwise.wire import Event, decode_event, encode_event, event_id

GOOD = {
    "event_time": "2019-10-01 00:00:00 UTC",
    "event_type": "view",
    "product_id": 44600062,
    "category_id": 2103807459595387724,
    "category_code": "electronics.audio",
    "brand": "shiseido",
    "price": 35.79,
    "user_id": 541312140,
    "user_session": "72d76fde-8bb3-4e00-8c23-a032dfed738c",
}

RAW = {
    "event_time": [
        "2019-10-01 00:00:00 UTC", "2019-10-01T00:00:00Z", "2019-10-01T02:30:00.75+02:30",
        "2019-10-01 02:00:00+02", "2019-10-01T00:00:00", "2019-10-01", "2019-13-01 00:00:00 UTC",
        "1969-12-31 23:59:59 UTC", "2262-01-01 00:00:00 UTC", "yesterday", "",
    ],
    "event_type": [*EVENT_TYPES, "purchased", "View", ""],
    "product_id": ["1", "-1", "9223372036854775807", "9223372036854775808", "1.0", "one", ""],
    "category_id": ["", "2103807459595387724", "x"],
    "category_code": ["", "a.b", "ä", "x" * 1001],
    "brand": ["", "samsung", "brænd", "😀" * 1000, "😀" * 1001],
    "price": ["0", "-0.0", "12.5", "1e3", ".5", "-0.01", "1e308", "inf", "-inf", "NaN", "ten", ""],
    "user_id": ["541312140", "99999999999999999999", "me", ""],
    "user_session": ["", "a", "ä" * 1001],
}  # fmt: skip

rows = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in RAW.items()})


def message(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def rules_of(broken: bytes) -> tuple[str, ...]:
    with pytest.raises(RefusedMessage) as refused:
        decode_event(broken)
    return refused.value.rules


def as_ingest_reads(row: dict[str, str]) -> Event | set[str]:
    fields = pl.DataFrame({LINE: [1], **{name: [value] for name, value in row.items()}})
    checked = check(without_empty_text(fields))
    if checked.refused.height:
        return set(checked.refused["rules"][0])
    return Event(int(checked.events["event_time"][0].timestamp()), *checked.events.row(0)[1:])


def as_read_from_the_topic(row: dict[str, str]) -> Event | set[str]:
    try:
        return decode_event(json.dumps(row).encode())
    except RefusedMessage as refused:
        return set(refused.rules)


@given(rows)
def test_a_row_as_text_means_in_json_what_it_means_in_csv(row: dict[str, str]) -> None:
    assert as_read_from_the_topic(row) == as_ingest_reads(row)


def test_an_event_with_native_numbers_is_the_one_with_numbers_as_text() -> None:
    as_text = {name: str(value) for name, value in GOOD.items()}
    assert decode_event(message()) == decode_event(json.dumps(as_text).encode())


@given(rows)
def test_an_event_survives_the_wire(row: dict[str, str]) -> None:
    event = as_read_from_the_topic(row)
    if isinstance(event, Event):
        assert decode_event(encode_event(event)) == event


def test_fields_may_be_missing_where_the_contract_lets_them_be_empty() -> None:
    optional = ("category_id", "category_code", "brand", "user_session")
    bare = {name: value for name, value in GOOD.items() if name not in optional}
    assert decode_event(json.dumps(bare).encode()).user_session is None
    assert rules_of(b"{}") == tuple(
        f"{n}_given" for n in ("event_time", "event_type", "product_id", "price", "user_id")
    )


@pytest.mark.parametrize(
    ("broken", "rules"),
    [
        (b"", ("message_is_json",)),
        (b"event_time,event_type", ("message_is_json",)),
        (b"[" * 30_000, ("message_is_json",)),
        (b"[]", ("message_is_object",)),
        (b'{"brand": "\xff"}', ("text_is_utf8",)),
        (message(brand="x" * 70_000), ("message_not_too_long",)),
        (message(brand="x" * 1001), ("brand_not_too_long",)),
        (
            message(price=-1, user_session="ä" * 1001),
            ("price_not_negative", "user_session_not_too_long"),
        ),
        (message(price=-0.01), ("price_not_negative",)),
        (message(price=True), ("price_readable",)),
        (message(price=1e12), ("price_in_range",)),
        (message(price=10**400), ("price_finite",)),
        (message(price=float("inf")), ("price_finite",)),
        (message(product_id=1.0), ("product_id_readable",)),
        (message(user_id=2**63), ("user_id_readable",)),
        (message(user_session=1), ("user_session_readable",)),
        (message(brand="\ud800"), ("brand_readable",)),
        (message(event_time=1569888000), ("event_time_readable",)),
        (message(event_time="2019-10-01 00:00:00 UTC" * 100), ("event_time_readable",)),
        (message(event_type=None, price="x"), ("event_type_given", "price_readable")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_broken_message_is_refused_with_all_its_reasons(
    broken: bytes, rules: tuple[str, ...]
) -> None:
    assert rules_of(broken) == rules


@pytest.mark.parametrize("name", COLUMNS)
def test_each_field_is_part_of_an_events_identity(name: str) -> None:
    other = {"event_time": "2019-10-01 00:00:01 UTC", "event_type": "cart"}.get(name)
    changed = message(**{name: other or (7 if isinstance(GOOD[name], int | float) else "other")})
    assert event_id(decode_event(changed)) != event_id(decode_event(message()))


def test_one_event_has_one_identity_however_it_was_written() -> None:
    rewritten = message(
        event_time="2019-10-01T01:00:00+01:00", price="3.579e1", user_id="541312140"
    )
    assert event_id(decode_event(rewritten)) == event_id(decode_event(message()))
    assert event_id(decode_event(message())).hex() == "f22ae6f77992bce5095af7c097d4a46a"
    empty, missing = message(brand=""), message(brand=None)
    assert event_id(decode_event(empty)) == event_id(decode_event(missing))


def test_times_are_written_as_iso_8601() -> None:
    seconds = int(datetime(2019, 10, 1, 2, 3, 4, tzinfo=UTC).timestamp())
    assert wire.format_time(seconds) == "2019-10-01T02:03:04Z"
    assert wire.parse_time("2019-10-01T02:03:04Z") == seconds


def test_a_dead_letter_holds_a_bounded_readable_part_of_its_message() -> None:
    origin = wire.Origin("shop.events", 3, 17)
    letter = wire.dead_letter(("text_is_utf8",), origin, b"\xff" + b"x" * 10_000_000)
    assert letter.payload == "\\xff" + "x" * (wire.LONGEST_PAYLOAD_BYTES - 1)
    assert letter.size_bytes == 10_000_001
    read = msgspec.json.decode(wire.encode(letter), type=wire.DeadLetter)
    assert read == letter
