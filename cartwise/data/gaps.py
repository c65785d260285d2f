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


def find_gaps(hourly: pl.DataFrame) -> list[Span]:
    """The stretches of more than :data:`SILENCE` without an hour that has any event.

    ``hourly``: as :func:`cartwise.data.outages.hourly_counts` gives it.
    """
    hours = hourly["hour"].to_list()
    hour = timedelta(hours=1)
    return [
        Span(last + hour, following, "events_missing", "no event of any kind", 1.0)
        for last, following in pairwise(hours)
        if following - last - hour > SILENCE
    ]
