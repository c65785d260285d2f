"""Find the weeks in which a shop's tracking recorded only part of its carts.

A lasting change is no outage, and by itself it says nothing: shops change. But where fewer views
lead to a cart and more carts lead to a purchase than in the shop's fullest fortnight, carts were
not rarer, they were recorded more rarely. Such a regime starts or ends overnight.
"""

from typing import Final

import numpy as np

from cartwise.data.activity import Activity, Floats
from cartwise.data.losses import Loss, dispersion, evidence, loss, runs

REFERENCE_DAYS: Final = 14
HONEST, LOST = 0.9, 0.75
"""Shares of the reference that a regime must tell apart."""
LEAST_DAYS: Final = 7
STEP: Final = 0.8
STEP_DAYS: Final = 3
"""At a regime's end, three days have less than this share of the carts per view of the others."""


def incomplete_carts(activity: Activity) -> list[Loss]:
    """Stretches of a week or more; ``first`` and ``past`` are days since the activity's first."""
    days = activity.by_day()
    with np.errstate(divide="ignore", invalid="ignore"):
        per_view, per_purchase = days.carts / days.views, days.carts / days.purchases
    reference = _fullest(per_view)
    if reference is None:
        return []
    from_views = days.views * _cautious(per_view, days.carts, reference)
    from_purchases = days.purchases * _cautious(per_purchase, days.carts, reference)
    noise = dispersion(days.carts[reference], from_views[reference])
    lowest = np.fmin(from_views, from_purchases)
    return [
        loss(days.carts, from_views, first, past)
        for first, past in runs(evidence(days.carts, lowest, HONEST, LOST) / noise)
        if past - first >= LEAST_DAYS and _is_step(per_view, first, past)
    ]


def _fullest(per_view: Floats) -> slice | None:
    """The stretch of days with the most carts per view in the median."""
    windows = [slice(i, i + REFERENCE_DAYS) for i in range(len(per_view) - REFERENCE_DAYS + 1)]
    known = [window for window in windows if np.isfinite(per_view[window]).all()]
    return max(known, key=lambda window: float(np.median(per_view[window])), default=None)


def _cautious(ratio: Floats, carts: Floats, reference: slice) -> float:
    """The usual ratio of the reference, less what its best days may owe to luck."""
    known = ratio[reference][np.isfinite(ratio[reference])]
    luck = 4 / np.sqrt(max(1.0, carts[reference].sum()))
    return float(np.median(known)) * max(0.0, 1 - luck) if len(known) else 0.0


def _is_step(per_view: Floats, first: int, past: int) -> bool:
    """Whether carts per view jump at one of the two ends."""
    jumps = [_jump(per_view, first, -1), _jump(per_view, past, 1)]
    return min(jumps) < STEP


def _jump(per_view: Floats, end: int, direction: int) -> float:
    before, after = per_view[max(0, end - STEP_DAYS) : end], per_view[end : end + STEP_DAYS]
    if min(len(before), len(after)) < STEP_DAYS:
        return np.inf
    return float((np.median(before) / np.median(after)) ** direction)
