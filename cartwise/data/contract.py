"""The data contract of an event, as named rules, and how raw fields become typed ones.

A rule's name says what must hold. Text fields and natively typed ones (Parquet) pass the same
rules; a row that breaks any goes to quarantine with the names of all that it broke.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log10
from typing import Any, Final

import dataframely as dy
import polars as pl

from cartwise.events import (
    COLUMNS,
    EVENT_SCHEMA,
    EVENT_TYPES,
    HIGHEST_PRICE,
    LONGEST_TEXT,
    TEXTS,
)
from cartwise.wire import LENGTH_RULE, LONGEST_EVENT_BYTES

TYPE_RULE: Final = "event_type_known"
"""The rule that rows break whose shop calls its events otherwise."""

LINE: Final = "line"
"""Column with a row's place in its source: 1-based line of a text file, row of a Parquet file."""

REFUSED_SCHEMA: Final = pl.Schema({LINE: pl.Int64(), "rules": pl.List(pl.String())})
"""A refused row by its place, with the names of all rules that it broke."""

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2262, 1, 1, tzinfo=UTC)
"""Event times lie in [EARLIEST, LATEST): what nanoseconds since the epoch hold in 64 bits."""

FIELDS_RULE: Final = "fields_match_header"
ENCODING_RULE: Final = "text_is_utf8"
"""The rules on whole lines: what breaks them has no fields, and is refused by who reads it."""

_WHOLE_NUMBER: Final = "a whole number from -2^63 to below 2^63"

ACCEPTED: Final[Mapping[str, str]] = {
    "event_time": "2019-10-01 00:00:00 UTC or ISO 8601, in the years "
    f"{EARLIEST.year} to {LATEST.year - 1}",
    "event_type": f"{', '.join(EVENT_TYPES[:-1])} or {EVENT_TYPES[-1]}",
    "product_id": _WHOLE_NUMBER,
    "category_id": f"{_WHOLE_NUMBER}, or nothing",
    "price": f"a number such as 130.76, from 0 to below 10^{log10(HIGHEST_PRICE):.0f}",
    "user_id": _WHOLE_NUMBER,
    **dict.fromkeys(TEXTS, f"at most {LONGEST_TEXT:,} characters, or nothing"),
    FIELDS_RULE: "a field for each column, with commas between them",
    ENCODING_RULE: "text in UTF-8",
    LENGTH_RULE: f"at most {LONGEST_EVENT_BYTES:,} bytes",
}
"""What is accepted, in words or by an example, by column and by rule on whole lines."""

_PARSED: Final = tuple(name for name in COLUMNS if name not in TEXTS)


def _given(name: str) -> str:
    return f"{name}_was_given"


def _must_hold(condition: Callable[[], pl.Expr]) -> Any:
    return dy.rule()(lambda _schema: condition())


def _must_be_given(name: str) -> Any:
    return _must_hold(lambda: pl.col(_given(name)))


def _must_be_readable(name: str) -> Any:
    return _must_hold(lambda: pl.col(name).is_not_null() | ~pl.col(_given(name)))


def _must_not_be_long(name: str) -> Any:
    return _must_hold(lambda: pl.col(name).str.len_chars() <= LONGEST_TEXT)


class EventContract(dy.Schema):
    """What a parsed row must be to enter the lake.

    The nine columns are typed, with null where a field was empty or could not be read;
    ``*_was_given`` tells the two apart. A rule on a null value holds. Price 0 is allowed: the
    log is full of it. The name of a rule begins with the column that it is about.
    """

    line = dy.Int64()
    event_time = dy.Datetime(nullable=True, time_zone="UTC", time_unit="us")
    event_type = dy.Enum(EVENT_TYPES, nullable=True)
    product_id = dy.Int64(nullable=True)
    category_id = dy.Int64(nullable=True)
    category_code = dy.String(nullable=True)
    brand = dy.String(nullable=True)
    price = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    user_id = dy.Int64(nullable=True)
    user_session = dy.String(nullable=True)

    event_time_was_given = dy.Bool()
    event_type_was_given = dy.Bool()
    product_id_was_given = dy.Bool()
    category_id_was_given = dy.Bool()
    price_was_given = dy.Bool()
    user_id_was_given = dy.Bool()

    event_time_given = _must_be_given("event_time")
    event_time_readable = _must_be_readable("event_time")
    event_time_in_range = _must_hold(
        lambda: pl.col("event_time").is_between(EARLIEST, LATEST, closed="left")
    )
    event_type_given = _must_be_given("event_type")
    event_type_known = _must_be_readable("event_type")
    product_id_given = _must_be_given("product_id")
    product_id_readable = _must_be_readable("product_id")
    category_id_readable = _must_be_readable("category_id")
    category_code_not_too_long = _must_not_be_long("category_code")
    brand_not_too_long = _must_not_be_long("brand")
    price_given = _must_be_given("price")
    price_readable = _must_be_readable("price")
    price_finite = _must_hold(lambda: pl.col("price").is_finite())
    price_in_range = _must_hold(
        lambda: (pl.col("price") < HIGHEST_PRICE) | ~pl.col("price").is_finite()
    )
    price_not_negative = _must_hold(lambda: pl.col("price") >= 0)
    user_id_given = _must_be_given("user_id")
    user_id_readable = _must_be_readable("user_id")
    user_session_not_too_long = _must_not_be_long("user_session")


def column_of(rule: str) -> str | None:
    """The column that a rule is about; None for the rules on whole lines."""
    return next((name for name in COLUMNS if rule.startswith(f"{name}_")), None)


def accepted_by(rule: str) -> str:
    """What would have been accepted where a rule was broken."""
    return ACCEPTED[column_of(rule) or rule]


@dataclass(frozen=True)
class Checked:
    """Rows parted by the contract, both parts in the order of the rows.

    ``events`` has ``EVENT_SCHEMA``; ``refused`` has ``REFUSED_SCHEMA``.
    """

    events: pl.DataFrame
    refused: pl.DataFrame


def check(raw: pl.DataFrame) -> Checked:
    """Part raw rows by the contract.

    ``raw`` has ``line`` and the nine columns, each as text (null where empty) or in a native type
    that casts to the contract's.
    """
    kept, failure = EventContract.filter(parse(raw))
    events = kept.select(COLUMNS)
    if len(failure) == 0:
        return Checked(events, pl.DataFrame(schema=REFUSED_SCHEMA))
    return Checked(events, _with_rule_names(failure))


def parse(raw: pl.DataFrame) -> pl.DataFrame:
    """Read every field as its type, null where that fails, and note which fields were given."""
    typed = [pl.col(name).cast(EVENT_SCHEMA[name], strict=False) for name in COLUMNS[1:]]
    given = [pl.col(name).is_not_null().alias(_given(name)) for name in _PARSED]
    return raw.select(pl.col(LINE), parse_times(raw["event_time"]), *typed, *given).with_columns(
        # Minus zero would be written as another byte pattern than zero, and be no duplicate of it.
        pl.when(pl.col("price") != 0).then("price").otherwise(pl.col("price").abs())
    )


def parse_times(times: pl.Series) -> pl.Series:
    """Read times as UTC, truncated to seconds; null where that fails.

    Takes the log's own form (``2019-10-01 00:00:00 UTC``), ISO 8601 with ``Z``, an offset or no
    zone (then UTC), and native timestamps with or without a zone.
    """
    if times.dtype != pl.String():
        return _native_times(times)
    log_form = times.str.to_datetime(
        "%Y-%m-%d %H:%M:%S UTC", strict=False, time_unit="us", time_zone="UTC"
    )
    if log_form.null_count() == times.null_count():
        return log_form
    return log_form.zip_with(log_form.is_not_null(), _iso_times(times))


def _native_times(times: pl.Series) -> pl.Series:
    if not isinstance(times.dtype, pl.Datetime):
        # A Parquet column without any value may have the type of nothing.
        return times.cast(EVENT_SCHEMA["event_time"])
    zone = times.dtype.time_zone
    # What microseconds cannot hold becomes null here; truncating would overflow.
    held = times.cast(pl.Datetime("us", zone), strict=False)
    zoned = held.dt.convert_time_zone("UTC") if zone else held.dt.replace_time_zone("UTC")
    return zoned.dt.truncate("1s")


def _iso_times(times: pl.Series) -> pl.Series:
    name = times.name
    spaced = pl.col(name).str.replace(r"^(\d+-\d+-\d+)T", "${1} ")
    offset = spaced.str.replace(r"\s?(UTC|Z)$", "+00:00")
    has_offset = offset.str.contains(r":\d+(\.\d+)?\s?[+-]\d{2}(:?\d{2})?$")
    zoned = pl.when(has_offset).then(offset).otherwise(offset + "+00:00")
    parsed = zoned.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", strict=False, time_unit="us")
    return times.to_frame().select(parsed.dt.truncate("1s"))[name]


def _with_rule_names(failure: dy.FailureInfo) -> pl.DataFrame:
    details = failure.details()
    rules = [name for name in details.columns if name not in EventContract.column_names()]
    broken = [pl.when(pl.col(rule) == "invalid").then(pl.lit(rule)) for rule in rules]
    return details.select(pl.col(LINE), pl.concat_list(broken).list.drop_nulls().alias("rules"))
