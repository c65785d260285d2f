"""A stretch without any event is a gap only if no shop would be closed so long."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cartwise.data.gaps import BUSY, BUSY_SILENCE, SILENCE, find_gaps

HOUR = timedelta(hours=1)
START = datetime(2019, 10, 1, tzinfo=UTC)


def hourly(*hours: datetime, events: int) -> pl.DataFrame:
    return pl.DataFrame({"hour": hours, "views": [events] * len(hours), "carts": [1] * len(hours)})


@pytest.mark.parametrize(
    ("events", "silence", "gaps"),
    [
        (10, SILENCE - HOUR, 0),
        (10, SILENCE, 1),
        (BUSY, BUSY_SILENCE - HOUR, 0),
        (BUSY, BUSY_SILENCE, 1),
    ],
)
def test_a_gap_is_longer_than_such_a_shop_is_ever_silent(
    events: int, silence: timedelta, gaps: int
) -> None:
    following = START + HOUR + silence
    found = find_gaps(hourly(START, following, following + timedelta(days=1), events=events)[:2])
    assert [(span.start, span.end, span.kind) for span in found] == [
        (START + HOUR, following, "events_missing")
    ] * gaps
