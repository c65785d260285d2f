"""Find the spans in which a shop's tracking lost purchases, carts or all events.

Every hour is compared with what its neighbours in time let expect, and a span is reported only
where chance does not explain what is missing:

1. *Expectation.* Purchases are expected from the views of the same hour, from its carts, and from
   the shop's usual hour of the week. Each explanation is a pattern (by hour) times a level (the
   median over the days before, or after). The lowest one counts, so neither a flood of views, nor
   a change in how carts are logged, nor a quiet Sunday looks like an outage.
2. *Evidence.* A Poisson log likelihood ratio per hour: "most is lost" against "the shop sells as
   little as it may honestly do", divided by how much more this shop varies than a Poisson process.
   Summed over a span (Page's CUSUM) it grows with what is missing: a large shop is judged by the
   hour, a small one by the day, and an empty night says nothing.
3. *Edges.* A found span takes in neighbours in which clearly less than expected was recorded.

Hours without enough neighbours get no verdict: short logs, far-apart samples, and long gaps.
Weeks in which only part of the carts was recorded are another matter: see ``cart_regimes``.
"""

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from cartwise.data.activity import COUNTED, Activity, Flags, Floats
from cartwise.data.cart_regimes import incomplete_carts
from cartwise.data.expectation import from_exposure, from_rhythm
from cartwise.data.lake import scanned_day
from cartwise.data.log import Log
from cartwise.data.losses import Loss, losses
from cartwise.data.spans import Kind, Span

HONEST_SHARE: Final = 0.7
"""A shop may fall to this share of what was expected for reasons of its own."""
HONEST_SHARE_OF_EVENTS: Final = 0.4
"""The same for all events together: on holidays traffic falls further than conversion."""
LOST_SHARE: Final = 0.25
"""An outage leaves this part of the honest share, or less."""
LOOKS: Final = 4


def hourly_counts(log: Log) -> pl.DataFrame:
    """Count the events of a lake by hour and type.

    Columns: hour (Datetime us UTC, its begin), views, carts, removals, purchases (UInt32), one row
    for each hour that has events, in order.
    """
    return pl.concat(_counts_of(log.lake, day) for day in log.days)


def _counts_of(lake: Path, day: date) -> pl.DataFrame:
    of_type = pl.col("event_type")
    with scanned_day(lake, day) as events:
        return (
            events.group_by(hour=pl.col("event_time").dt.truncate("1h"))
            .agg((of_type == kind).sum().alias(name) for name, kind in COUNTED.items())
            .sort("hour")
            .collect(engine="streaming")
        )


def detect(hourly: pl.DataFrame) -> list[Span]:
    """The suspect spans of a log, in order of time.

    ``hourly``: hour (Date or Datetime in UTC), views, carts, purchases and, where known, removals.
    The smallest step between rows is the resolution, so rows by day do as well; steps without a
    row had no events.
    """
    if len(hourly) < 2:
        return []
    activity = Activity.of(hourly)
    carts = _lost_carts(activity)
    found: dict[Kind, list[Loss]] = {
        "events_missing": _lost_events(activity),
        "carts_missing": carts,
        "purchases_missing": _lost_purchases(activity, carts),
    }
    return sorted(_span(activity, kind, loss) for kind, losses in found.items() for loss in losses)


def _span(activity: Activity, kind: Kind, loss: Loss) -> Span:
    what = kind.removesuffix("_missing")
    return Span(
        start=activity.moment(loss.first),
        end=activity.moment(loss.past),
        kind=kind,
        reason=f"{loss.observed:,.0f} {what} where {loss.expected:,.0f} were expected",
        severity=round(max(0.0, 1 - loss.observed / loss.expected), 3),
    )


def _lost_events(activity: Activity) -> list[Loss]:
    def expected(trusted: Flags) -> list[Floats]:
        return [from_rhythm(activity, activity.events, trusted)]

    return _settled(activity.events, expected, HONEST_SHARE_OF_EVENTS)


def _lost_carts(activity: Activity) -> list[Loss]:
    """Hours without carts, and weeks with too few; where they meet, the weeks."""
    carts, views = activity.carts, activity.views

    def expected(trusted: Flags) -> list[Floats]:
        from_views = from_exposure(activity, carts, views, trusted)
        return [from_views, from_rhythm(activity, carts, trusted)]

    hours = _settled(carts, expected, HONEST_SHARE)
    weeks = [_in_steps(activity, loss) for loss in incomplete_carts(activity)]
    return weeks + [loss for loss in hours if not any(_meet(loss, other) for other in weeks)]


def _in_steps(activity: Activity, days: Loss) -> Loss:
    first, past = np.searchsorted(activity.day, [days.first, days.past])
    return Loss(int(first), int(past), days.observed, days.expected)


def _meet(one: Loss, other: Loss) -> bool:
    return one.first < other.past and other.first < one.past


def _lost_purchases(activity: Activity, lost_carts: Iterable[Loss]) -> list[Loss]:
    purchases = activity.purchases
    carts_known = _outside(lost_carts, len(purchases))

    def expected(trusted: Flags) -> list[Floats]:
        from_carts = from_exposure(activity, purchases, activity.carts, trusted)
        return [
            from_exposure(activity, purchases, activity.views, trusted),
            np.where(carts_known, from_carts, np.nan),
            from_rhythm(activity, purchases, trusted),
        ]

    return _settled(purchases, expected, HONEST_SHARE)


def _settled(
    counts: Floats, expected: Callable[[Flags], list[Floats]], honest: float
) -> list[Loss]:
    """Losses against what the hours outside of them let expect.

    A long outage pulls down what is expected of its own hours, so a second look sees more of it.
    """
    found: list[Loss] = []
    for _ in range(LOOKS):
        before = found
        trusted = _outside(before, len(counts))
        found = losses(counts, expected(trusted), honest, honest * LOST_SHARE)
        if found == before:
            break
    return found


def _outside(lost: Iterable[Loss], steps: int) -> Flags:
    outside = np.ones(steps, dtype=np.bool_)
    for loss in lost:
        outside[loss.first : loss.past] = False
    return outside
