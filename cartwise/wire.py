"""What travels between processes, as JSON: events, scores and dead letters.

``docs/asyncapi.yaml`` is this module for readers of other languages. An event passes the rules of
the data contract (``cartwise.data.contract``) under the same names; there are a few more, for what
JSON can do wrong and CSV cannot.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec

from cartwise.errors import RefusedMessage
from cartwise.events import EVENT_TYPES, HIGHEST_PRICE, LONGEST_TEXT, TEXTS

LONGEST_EVENT_BYTES: Final = 65_536
"""Longer messages are refused unread."""

LENGTH_RULE: Final = "message_not_too_long"
"""The rule that they break."""

AHEAD_SECONDS: Final = 3600
"""An event from further in the future than this is refused: it would make all others look old."""

LONGEST_PAYLOAD_BYTES: Final = 4096
"""So much of a refused message is kept in its dead letter."""

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)] | None
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[
    str,
    msgspec.Meta(
        description="UTC, to the second: 2019-10-01T00:00:00Z. Of readers of events, also the "
        "log's own form, 2019-10-01 00:00:00 UTC, and ISO 8601 with an offset or none (then UTC).",
        examples=["2019-10-01T00:00:00Z"],
    ),
]

_LATEST: Final = int(datetime(2262, 1, 1, tzinfo=UTC).timestamp())
_FIRST_SECOND: Final = round(datetime.min.replace(tzinfo=UTC).timestamp())
_LAST_SECOND: Final = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
_LONGEST_TIME: Final = 40
_TIME: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?"
    r"(?:\s?(?:UTC|Z)|\s?([+-])(\d{2})(?::?(\d{2}))?)?"
)
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}")
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)", re.IGNORECASE
)


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event that keeps the contract: ``event_time`` in seconds since the Unix epoch, empty text
    is None."""

    event_time: int
    event_type: str
    product_id: int
    category_id: int | None
    category_code: str | None
    brand: str | None
    price: float
    user_id: int
    user_session: str | None


class EventMessage(msgspec.Struct, frozen=True, gc=False):
    """One event of the shop: a row of its log, with the same nine fields.

    Integers may also be written as decimal text, for clients whose numbers lose digits beyond 2^53.
    Fields beyond the nine are ignored.
    """

    event_time: Time
    event_type: Literal["view", "cart", "remove_from_cart", "purchase"]
    product_id: Int64
    price: Annotated[float, msgspec.Meta(ge=0, lt=HIGHEST_PRICE, description="0 means unknown.")]
    user_id: Int64
    category_id: Int64 | None = None
    category_code: Text = None
    brand: Text = None
    user_session: Text = None


class Origin(msgspec.Struct, frozen=True):
    """Where a message stands."""

    topic: str
    partition: int
    offset: int


class Score(msgspec.Struct, frozen=True):
    """What a cart was scored, with all that is needed to compute it again.

    A score may come more than once, after a crash: those of one ``event_id``, ``model_version``,
    ``source`` and ``role`` are the same answer, and the first one counts.
    """

    event_id: Annotated[str, msgspec.Meta(description="128 bits of the cart event, in hex digits.")]
    user_id: Int64
    product_id: Int64
    user_session: Text
    cart_time: Time
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)]
    model_version: str
    fingerprint: Annotated[
        str, msgspec.Meta(description="Of the feature specification, which names the features.")
    ]
    vector: Annotated[
        bytes,
        msgspec.Meta(description="float32 values, little-endian, in Base64; missing is NaN."),
    ]
    source: Annotated[
        Literal["stream", "api"], msgspec.Meta(description="Who scored: the worker, or the API.")
    ]
    role: Annotated[
        Literal["champion", "challenger"],
        msgspec.Meta(description="A challenger's score was answered to nobody."),
    ] = "champion"
    origin: Annotated[
        Origin | None, msgspec.Meta(description="Where the cart stands, if it came by the topic.")
    ] = None
    features: Annotated[
        Literal["store", "request-only"],
        msgspec.Meta(description="request-only: the store was away, the history is missing."),
    ] = "store"


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that is no event.

    A dead letter may come more than once, after a crash: those of one ``origin`` are the same.
    """

    rules: Annotated[tuple[str, ...], msgspec.Meta(description="Every rule that it broke.")]
    origin: Origin
    payload: Annotated[
        str,
        msgspec.Meta(
            description=f"Its first {LONGEST_PAYLOAD_BYTES} bytes; what is not UTF-8 as \\xNN."
        ),
    ]
    size_bytes: int


_events = msgspec.json.Decoder(EventMessage)
_encoder = msgspec.json.Encoder()


def decode_event(message: bytes) -> Event:
    """Read an event and check it.

    Raises:
        RefusedMessage: it breaks rules, all of which are named.
    """
    if len(message) > LONGEST_EVENT_BYTES:
        raise RefusedMessage([LENGTH_RULE])
    try:
        read = _events.decode(message)
        seconds = parse_time(read.event_time)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _read_leniently(message)
    if seconds is None or not 0 <= seconds < _LATEST:
        return _read_leniently(message)
    return Event(
        seconds,
        read.event_type,
        read.product_id,
        read.category_id,
        read.category_code or None,
        read.brand or None,
        # Minus zero would be another event than zero.
        read.price or 0.0,
        read.user_id,
        read.user_session or None,
    )


def require_not_ahead(event: Event, now: float) -> None:
    """Raise RefusedMessage for an event from the future; ``now`` is in seconds since the epoch."""
    if event.event_time > now + AHEAD_SECONDS:
        raise RefusedMessage(["event_time_not_ahead"])


def encode_event(event: Event) -> bytes:
    """An event as it travels."""
    return _encoder.encode(
        EventMessage(
            format_time(event.event_time),
            event.event_type,  # type: ignore[arg-type]
            event.product_id,
            event.price,
            event.user_id,
            event.category_id,
            event.category_code,
            event.brand,
            event.user_session,
        )
    )


def event_id(event: Event) -> bytes:
    """128 bits by which exact duplicates are known: equal if and only if all nine fields are.

    BLAKE2b of the fields as a JSON array, in the order of the log's columns, with the time in
    seconds since the Unix epoch.
    """
    return hashlib.blake2b(_encoder.encode(msgspec.structs.astuple(event)), digest_size=16).digest()


def encode(message: Score | DeadLetter) -> bytes:
    """A score or dead letter as it travels."""
    return _encoder.encode(message)


def dead_letter(rules: tuple[str, ...], origin: Origin, message: bytes) -> DeadLetter:
    """The dead letter of a message."""
    start = message[:LONGEST_PAYLOAD_BYTES].decode("utf-8", "backslashreplace")
    return DeadLetter(rules, origin, start, len(message))


@lru_cache(maxsize=2**16)
def format_time(seconds: int) -> str:
    """Seconds since the Unix epoch as ISO 8601 in UTC: ``1970-01-01T00:00:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def has_a_date(seconds: int) -> bool:
    """Whether a moment lies in the years 1 to 9999 of UTC, so that it can be written again."""
    return _FIRST_SECOND <= seconds <= _LAST_SECOND


def parse_time(text: str) -> int | None:
    """Seconds since the Unix epoch, cut to whole ones; None where ``text`` is no time."""
    match = _TIME.fullmatch(text) if len(text) <= _LONGEST_TIME else None
    if match is None:
        return None
    year, month, day, *clock, sign, hours, minutes = match.groups()
    midnight = _midnight(int(year), int(month), int(day))
    hour, minute, second = map(int, clock)
    if midnight is None or hour > 23 or minute > 59 or second > 59:
        return None
    offset = 3600 * int(hours or 0) + 60 * int(minutes or 0)
    moment = midnight + 3600 * hour + 60 * minute + second
    return moment + offset if sign == "-" else moment - offset


@lru_cache(maxsize=4096)
def _midnight(year: int, month: int, day: int) -> int | None:
    try:
        return int(datetime(year, month, day, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _read_leniently(message: bytes) -> Event:
    """The event of a message that writes numbers as text, or all rules that it breaks."""
    broken: list[str] = []
    fields = _fields_of(message)
    time = _field(fields, "event_time", _time_of, broken)
    values = [
        _field(fields, "event_type", _type_of, broken, rule="known"),
        _field(fields, "product_id", _integer_of, broken),
        _field(fields, "category_id", _integer_of, broken, needed=False),
        _field(fields, "category_code", _text_of, broken, needed=False),
        _field(fields, "brand", _text_of, broken, needed=False),
        _field(fields, "price", _number_of, broken),
        _field(fields, "user_id", _integer_of, broken),
        _field(fields, "user_session", _text_of, broken, needed=False),
    ]
    event = Event(time, *values)
    broken += _out_of_bounds(event)
    if broken:
        raise RefusedMessage(broken)
    return event


def _fields_of(message: bytes) -> dict[str, Any]:
    try:
        # Unlike msgspec this reads infinities, so that the rule on them can be named.
        fields = json.loads(message)
    except UnicodeDecodeError as error:
        raise RefusedMessage(["text_is_utf8"]) from error
    except (ValueError, RecursionError) as error:
        raise RefusedMessage(["message_is_json"]) from error
    if not isinstance(fields, dict):
        raise RefusedMessage(["message_is_object"])
    return fields


def _field(
    fields: Mapping[str, Any],
    name: str,
    read: Callable[[Any], Any],
    broken: list[str],
    *,
    needed: bool = True,
    rule: str = "readable",
) -> Any:
    """A field's value, None where it is empty or unreadable; adds to ``broken`` what it breaks."""
    raw = fields.get(name)
    if raw is None or raw == "":
        if needed:
            broken.append(f"{name}_given")
        return None
    value = read(raw)
    if value is None:
        broken.append(f"{name}_{rule}")
    return value


def _out_of_bounds(event: Event) -> list[str]:
    """The rules that values break which were read; those that were not are None."""
    time: int | None = event.event_time
    price: float | None = event.price
    texts = {name: getattr(event, name) or "" for name in TEXTS}
    rules = {
        "event_time_in_range": time is None or 0 <= time < _LATEST,
        "price_finite": price is None or math.isfinite(price),
        "price_in_range": price is None or not HIGHEST_PRICE <= price < math.inf,
        "price_not_negative": price is None or math.isnan(price) or price >= 0,
        **{f"{name}_not_too_long": len(text) <= LONGEST_TEXT for name, text in texts.items()},
    }
    return [rule for rule, holds in rules.items() if not holds]


def _time_of(raw: object) -> int | None:
    return parse_time(raw) if isinstance(raw, str) else None


def _type_of(raw: object) -> str | None:
    return raw if isinstance(raw, str) and raw in EVENT_TYPES else None


def _integer_of(raw: object) -> int | None:
    if isinstance(raw, str) and _INTEGER.fullmatch(raw):
        raw = int(raw)
    whole = isinstance(raw, int) and not isinstance(raw, bool)
    return raw if whole and -(2**63) <= raw < 2**63 else None  # type: ignore[operator, return-value]


def _number_of(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    if isinstance(raw, str) and not _NUMBER.fullmatch(raw):
        return None
    try:
        return float(raw) or 0.0
    except OverflowError:
        return math.inf


def _text_of(raw: object) -> str | None:
    return raw if isinstance(raw, str) and _is_encodable(raw) else None


def _is_encodable(text: str) -> bool:
    # JSON may escape half a surrogate pair, which no encoding of Unicode can hold.
    return not any("\ud800" <= character <= "\udfff" for character in text)
