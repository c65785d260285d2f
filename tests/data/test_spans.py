"""The outage file: a person can read and edit it, and what the person decides holds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise.data import spans
from cartwise.data.spans import Kind, Span, Status, read_spans, reconcile, touches, write_spans
from cartwise.errors import InputError, OutputError

NOON = datetime(2019, 11, 15, 12, tzinfo=UTC)
HOUR = 3600


def _span(
    start: int = 0,
    end: int = 4,
    kind: Kind = "purchases_missing",
    status: Status = "detected",
    reason: str = "none at all",
) -> Span:
    """A span between two hours counted from noon."""
    hours = timedelta(hours=1)
    return Span(NOON + start * hours, NOON + end * hours, kind, reason, 0.9, status)


def _touched(spans: list[Span], *, cart: float, horizon: int = 2) -> bool:
    seconds = np.array([NOON.timestamp() + cart * HOUR], dtype=np.int64)
    return bool(touches(spans, seconds, horizon * HOUR)[0])


@pytest.mark.parametrize(
    ("cart", "meets"), [(-3, False), (-2, True), (-1, True), (0, True), (3.99, True), (4, False)]
)
def test_a_window_touches_a_span_from_the_first_moment_to_the_last(
    cart: float, *, meets: bool
) -> None:
    assert _touched([_span(0, 4)], cart=cart) is meets


def test_a_window_longer_than_the_span_touches_it() -> None:
    assert _touched([_span(0, 1)], cart=-5, horizon=24)


@pytest.mark.parametrize(
    ("kind", "status", "meets"),
    [
        ("purchases_missing", "detected", True),
        ("purchases_missing", "confirmed", True),
        ("events_missing", "detected", True),
        ("purchases_missing", "ignored", False),
        ("carts_missing", "confirmed", False),
    ],
)
def test_only_spans_that_hide_purchases_and_hold_are_touched(
    kind: Kind, status: Status, *, meets: bool
) -> None:
    assert _touched([_span(kind=kind, status=status)], cart=1) is meets


def test_without_spans_or_carts_nothing_is_touched() -> None:
    assert not _touched([], cart=0)
    assert touches([_span()], np.empty(0, dtype=np.int64), HOUR).shape == (0,)


def test_what_a_person_decided_survives_and_what_was_only_detected_is_replaced() -> None:
    moved = _span(-2, 6, status="confirmed", reason="the tracker's log says so")
    sale = _span(50, 60, status="ignored", reason="a holiday")
    stale = _span(100, 110)
    fresh = _span(200, 210)

    kept = reconcile([_span(0, 4), _span(49, 52), fresh], [moved, sale, stale])

    assert kept == [moved, sale, fresh]


def test_a_decision_on_one_kind_leaves_other_kinds_and_neighbours_alone() -> None:
    decided = _span(0, 4, status="ignored")
    neighbour, other_kind = _span(4, 8), _span(0, 4, kind="carts_missing")

    assert reconcile([neighbour, other_kind], [decided]) == sorted([decided, neighbour, other_kind])


@st.composite
def any_spans(draw: st.DrawFn) -> Span:
    seconds = draw(st.integers(0, 2**32)) + draw(st.sampled_from([0, 0.5]))
    start = datetime.fromtimestamp(seconds, UTC)
    length = draw(st.timedeltas(timedelta(seconds=1), timedelta(days=400)))
    return Span(
        start,
        start + length,
        draw(st.sampled_from(spans.KINDS)),
        draw(st.text(st.characters(exclude_categories=["Cs"]))),
        draw(st.floats(0, 1)),
        draw(st.sampled_from(spans.STATUSES)),
    )


@given(st.lists(any_spans(), max_size=5))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, some) -> None:
    path = tmp_path_factory.mktemp("spans") / "outages.toml"

    write_spans(path, some)

    assert read_spans(path) == sorted(some)


def test_the_file_reads_like_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "outages.toml"

    write_spans(path, [_span(0, 4, reason="0 purchases where 94 were expected")])

    header, entry = path.read_text(encoding="utf-8").split("\n\n[[span]]\n")
    assert all(line.startswith("#") for line in header.splitlines())
    assert entry == (
        "start = 2019-11-15T12:00:00Z\n"
        "end = 2019-11-15T16:00:00Z\n"
        'kind = "purchases_missing"\n'
        'reason = "0 purchases where 94 were expected"\n'
        "severity = 0.9\n"
        'status = "detected"\n'
    )


def test_an_entry_by_hand_needs_only_its_ends_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "outages.toml"
    path.write_text(
        "[[span]]\nstart = 2019-11-15T13:00:00+01:00\nend = 2019-11-15T16:00:00Z\n"
        'kind = "events_missing"\n'
    )

    [span] = read_spans(path)

    assert span == Span(
        NOON, NOON + timedelta(hours=4), "events_missing", "added by hand", 1.0, "confirmed"
    )
    assert span.start.tzinfo is UTC


GOOD = {
    "start": "2019-11-15T12:00:00Z",
    "end": "2019-11-15T16:00:00Z",
    "kind": '"purchases_missing"',
    "reason": '"why"',
    "severity": "0.5",
    "status": '"confirmed"',
}


def _file(tmp_path: Path, **changes: str | None) -> Path:
    """A file whose second entry has these changes."""
    path = tmp_path / "outages.toml"
    entries = [GOOD, {**GOOD, **changes}]
    path.write_text("\n".join("[[span]]\n" + "\n".join(_lines(entry)) for entry in entries))
    return path


def _lines(entry: dict[str, str | None]) -> Iterator[str]:
    yield from (f"{name} = {value}" for name, value in entry.items() if value is not None)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"start": None}, "start must be a time with its zone: 2019-11-15T00:00:00Z"),
        ({"start": "2019-11-15"}, "start must be a time with its zone"),
        ({"end": "2019-11-15T16:00:00"}, "end must be a time with its zone"),
        ({"end": '"tomorrow"'}, "end must be a time with its zone"),
        ({"end": "2019-11-15T12:00:00Z"}, "end is not after start"),
        ({"start": "0001-01-01T00:00:00+05:00"}, "start must be a time with its zone"),
        ({"kind": None}, "kind must be one of purchases_missing, carts_missing, events_missing"),
        ({"kind": '"sales"'}, "kind must be one of"),
        ({"kind": "[1]"}, "kind must be one of"),
        ({"status": '"sure"'}, "status must be one of detected, confirmed, ignored"),
        ({"reason": "5"}, "reason must be a text in quotes"),
        ({"severity": "1.5"}, "severity must be a number from 0 to 1"),
        ({"severity": "nan"}, "severity must be a number from 0 to 1"),
        ({"severity": "true"}, "severity must be a number from 0 to 1"),
        ({"severtiy": "0.5"}, "'severtiy' is not known here; use start, end, kind, reason"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_entry(
    tmp_path: Path, change: dict[str, str | None], complaint: str
) -> None:
    path = _file(tmp_path, **change)

    with pytest.raises(InputError) as error:
        read_spans(path)

    assert str(error.value).startswith(f"{path}, span 2: {complaint}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"[[span]\n", "is not TOML: .*line 1.*; mend that place"),
        (b"\xff\xfe", "is not TOML: .*; mend that place"),
        (b"[span]\nkind = 1\n", r"write \[\[span\]\] with two brackets"),
        (b"span = [1]\n", r"span 1: write \[\[span\]\] and its fields on lines of their own"),
        (b"[[spam]]\n", "'spam' is not known here; use span"),
    ],
)
def test_a_malformed_file_is_told_with_the_remedy(
    tmp_path: Path, text: bytes, complaint: str
) -> None:
    path = tmp_path / "outages.toml"
    path.write_bytes(text)

    with pytest.raises(InputError, match=complaint) as error:
        read_spans(path)

    assert str(path) in str(error.value)


def test_a_file_without_entries_has_no_spans(tmp_path: Path) -> None:
    path = tmp_path / "outages.toml"
    path.write_text("# nothing\n")

    assert read_spans(path) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"outages\.toml cannot be read: No such file"):
        read_spans(tmp_path / "outages.toml")


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / "outages.toml"
    taken.mkdir()

    with pytest.raises(OutputError, match="cannot be written"):
        write_spans(taken, [_span()])

    assert [path.name for path in tmp_path.iterdir()] == ["outages.toml"]
