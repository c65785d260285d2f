"""Gaps: stretches between a log's events in which nobody was watching.

The outage detector compares an hour with its neighbours in time; logs that are put together from
pieces far apart have none. There, silence itself tells.
"""

from datetime import timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from cartwise.data.spans import Span

SILENCE: Final = timedelta(days=3)
"""Longer than a shop is closed over a weekend."""

BUSY_SILENCE: Final = timedelta(days=1)
BUSY: Final = 100
"""With so many events on its median day, a shop is never silent for all of a day."""


def find_gaps(hourly: pl.DataFrame) -> list[Span]:
    """The stretches without any event that are longer than the shop is ever silent.

    ``hourly``: as :func:`cartwise.data.outages.hourly_counts` gives it.
    """
    hours = hourly["hour"].to_list()
    hour = timedelta(hours=1)
    longest = BUSY_SILENCE if _events_a_day(hourly) >= BUSY else SILENCE
    return [
        Span(last + hour, following, "events_missing", "no event of any kind", 1.0)
        for last, following in pairwise(hours)
        if following - last - hour >= longest
    ]


def _events_a_day(hourly: pl.DataFrame) -> float:
    """Events on the median day that has any."""
    events = pl.sum_horizontal(pl.exclude("hour", "day"))
    days = hourly.group_by(day=pl.col("hour").dt.date()).agg(events.sum().alias("events"))
    return float(days["events"].median() or 0)  # type: ignore[arg-type]
