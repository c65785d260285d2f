"""A stretch without any event is a gap only if no shop would be closed so long."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cartwise.data.gaps import SILENCE, find_gaps

HOUR = timedelta(hours=1)
START = datetime(2019, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(("silence", "gaps"), [(SILENCE, 0), (SILENCE + HOUR, 1)])
def test_a_gap_is_longer_than_a_weekend(silence: timedelta, gaps: int) -> None:
    following = START + HOUR + silence
    found = find_gaps(pl.DataFrame({"hour": [START, following, following + HOUR]}))
    assert [(span.start, span.end, span.kind) for span in found] == [
        (START + HOUR, following, "events_missing")
    ] * gaps
