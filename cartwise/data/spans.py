"""Spans of time in which the log is not to be trusted, and the file in which a person edits them.

The file is TOML. Its owner is the person: what somebody wrote or decided survives every later
detection, and only spans that nobody has looked at (``status = "detected"``) are replaced.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import InputError
from cartwise.folders import replaced_file
from cartwise.plain_files import read_toml

Kind = Literal["purchases_missing", "carts_missing", "events_missing"]
Status = Literal["detected", "confirmed", "ignored"]

KINDS: Final[tuple[str, ...]] = get_args(Kind)
STATUSES: Final[tuple[str, ...]] = get_args(Status)
HIDES_PURCHASES: Final = frozenset({"purchases_missing", "events_missing"})
"""In spans of these kinds nobody can say that a cart was not bought."""

HEADER: Final = """\
# Spans of time in which the shop's log lost something. Carts whose horizon touches a span of
# purchases_missing or events_missing are left out of training and test sets.
#
# You may edit this file; what you decide is kept when the log is looked through again.
#   status = "detected"   found by Cartwise; replaced at the next look
#   status = "confirmed"  yours: it holds as it stands here, whatever is detected
#   status = "ignored"    yours: not an outage, and not to be reported again where it overlaps
# To add a span, write another [[span]] with status = "confirmed". To move the ends of a span, move
# them and set "confirmed". To drop one, set "ignored": a deleted one would be detected again.
#
# start and end are UTC; the end is the first moment that is good again. kind is one of
# purchases_missing, carts_missing, events_missing. severity is the share that is lost, 0 to 1.
"""


@dataclass(frozen=True, order=True)
class Span:
    """The half-open span ``[start, end)``, both in UTC, in which something is missing."""

    start: datetime
    end: datetime
    kind: Kind
    reason: str
    severity: float
    """Share of the expected events that is missing, 0 to 1."""
    status: Status = "detected"


def touches(
    spans: Iterable[Span], cart_seconds: NDArray[np.int64], horizon_seconds: int
) -> NDArray[np.bool_]:
    """Which windows ``[cart, cart + horizon]`` meet a span that hides purchases.

    ``cart_seconds``: shape (n,), seconds since the Unix epoch. Ignored spans touch nothing.
    """
    touched = np.zeros(len(cart_seconds), dtype=np.bool_)
    for span in spans:
        if span.kind in HIDES_PURCHASES and span.status != "ignored":
            ends_late = cart_seconds + horizon_seconds >= span.start.timestamp()
            touched |= ends_late & (cart_seconds < span.end.timestamp())
    return touched


def reconcile(detected: Iterable[Span], known: Iterable[Span]) -> list[Span]:
    """What a person decided among ``known``, and the detected spans that it says nothing about."""
    decided = [span for span in known if span.status != "detected"]
    fresh = [span for span in detected if not any(_overlap(span, other) for other in decided)]
    return sorted(decided + fresh)


def _overlap(one: Span, other: Span) -> bool:
    return one.kind == other.kind and one.start < other.end and other.start < one.end


def write_spans(path: Path, spans: Iterable[Span]) -> None:
    """Write the file in one step, in order of time; raises OutputError where that fails."""
    text = "\n".join([HEADER, *map(_entry, sorted(spans))])
    with replaced_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def _entry(span: Span) -> str:
    return (
        "[[span]]\n"
        f"start = {_moment(span.start)}\n"
        f"end = {_moment(span.end)}\n"
        f'kind = "{span.kind}"\n'
        f"reason = {_quoted(span.reason)}\n"
        f"severity = {float(span.severity)!r}\n"
        f'status = "{span.status}"\n'
    )


def _quoted(text: str) -> str:
    # TOML escapes as JSON does, but for characters beyond 16 bits and for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_spans(path: Path) -> list[Span]:
    """The spans of a file, in order of time.

    Raises InputError that names file, entry and remedy where the file is missing or malformed.
    """
    entries = _document(path).get("span", [])
    if not isinstance(entries, list):
        raise InputError(f"{path}: write [[span]] with two brackets before each entry, not [span]")
    return sorted(_span(entry, f"{path}, span {i}") for i, entry in enumerate(entries, start=1))


def _document(path: Path) -> dict[str, Any]:
    remedy = "mend that place, or delete the file to have it written anew"
    document = read_toml(path, "the outage file", remedy)
    _refuse_unknown(document, ["span"], f"{path}")
    return document


def _span(entry: Any, where: str) -> Span:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: write [[span]] and its fields on lines of their own")
    _refuse_unknown(entry, list(Span.__dataclass_fields__), where)
    span = Span(
        start=_time(entry, "start", where),
        end=_time(entry, "end", where),
        kind=_choice(entry, "kind", KINDS, where),
        reason=_text(entry, where),
        severity=_share(entry, where),
        status=_choice(entry, "status", STATUSES, where, default="confirmed"),
    )
    if span.end <= span.start:
        raise InputError(f"{where}: end is not after start; swap or correct them")
    return span


def _refuse_unknown(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise InputError(f"{where}: '{name}' is not known here; use {', '.join(known)}")


def _time(entry: Mapping[str, Any], name: str, where: str) -> datetime:
    value = entry.get(name)
    try:
        if isinstance(value, datetime) and value.tzinfo:
            return value.astimezone(UTC)
    except OverflowError:  # In UTC it would lie before the year 1 or after the year 9999.
        pass
    raise InputError(f"{where}: {name} must be a time with its zone: 2019-11-15T00:00:00Z")


def _choice(
    entry: Mapping[str, Any],
    name: str,
    choices: Sequence[str],
    where: str,
    default: str | None = None,
) -> Any:
    value = entry.get(name, default)
    if value not in choices:
        raise InputError(f"{where}: {name} must be one of {', '.join(choices)}")
    return value


def _text(entry: Mapping[str, Any], where: str) -> str:
    reason = entry.get("reason", "added by hand")
    if not isinstance(reason, str):
        raise InputError(f'{where}: reason must be a text in quotes: reason = "tracker down"')
    return reason


def _share(entry: Mapping[str, Any], where: str) -> float:
    value = entry.get("severity", 1.0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise InputError(f"{where}: severity must be a number from 0 to 1")
    return float(value)
