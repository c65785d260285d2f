"""The slow, obvious truth about an ingest: plain Python, row by row, straight from the contract."""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cartwise.events import COLUMNS, EVENT_TYPES, TEXTS
from tests.data.raw_files import Row

Event = tuple[Any, ...]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf)", re.I)


@dataclass
class Truth:
    """What must become of rows, in order of position."""

    events: list[Event] = field(default_factory=list)
    duplicates: int = 0
    refused: list[tuple[int, list[str]]] = field(default_factory=list)
    """Place of the row from 0, and the rules that it broke."""


def slow_ingest(rows: list[Row | None]) -> Truth:
    """Part rows by the contract; None stands for a line that cannot be split into fields."""
    truth = Truth()
    for place, row in enumerate(rows):
        typed, rules = ((), ["fields_match_header"]) if row is None else _typed(row)
        if rules:
            truth.refused.append((place, rules))
        elif typed in truth.events:
            truth.duplicates += 1
        else:
            truth.events.append(typed)
    truth.events.sort(key=lambda event: event[0])
    return truth


def _typed(row: Row) -> tuple[Event, list[str]]:
    typed = {name: _READERS.get(name, _text)(row[name]) for name in COLUMNS}
    return tuple(typed.values()), [rule for name in COLUMNS for rule in _broken(name, row, typed)]


def _broken(name: str, row: Row, typed: dict[str, Any]) -> list[str]:
    value = typed[name]
    if not row[name]:
        may_be_missing = name in {"category_id", *TEXTS}
        return [] if may_be_missing else [f"{name}_given"]
    if value is None:
        return ["event_type_known" if name == "event_type" else f"{name}_readable"]
    if name == "event_time" and not 1970 <= value.year < 2262:
        return ["event_time_in_range"]
    if name in TEXTS and len(value) > 1000:
        return [f"{name}_not_too_long"]
    if name == "price":
        # No number at all is neither finite nor at least 0.
        checks = {
            "price_finite": math.isfinite(value),
            "price_in_range": not 1e12 <= value < math.inf,
            "price_not_negative": not value < 0,
        }
        return [rule for rule, holds in checks.items() if not holds]
    return []


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(re.sub(r" UTC$", "+00:00", text))
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC).replace(microsecond=0)


def _integer(text: str) -> int | None:
    value = int(text) if _INTEGER.fullmatch(text) else None
    return value if value is not None and -(2**63) <= value < 2**63 else None


def _number(text: str) -> float | None:
    return float(text) + 0.0 if _NUMBER.fullmatch(text) else None


def _text(text: str) -> str | None:
    return text or None


_READERS = {
    "event_time": _time,
    "event_type": lambda text: text if text in EVENT_TYPES else None,
    "price": _number,
    **dict.fromkeys(("product_id", "category_id", "user_id"), _integer),
}
