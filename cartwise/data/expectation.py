"""What a shop's own rhythm and level let expect in every hour."""

from typing import Final

import numpy as np

from cartwise.data.activity import Activity, Flags, Floats, Ints

WINDOW_DAYS: Final = 14
"""Days before, and days after, that a level is the median of."""
LEAST_DAYS: Final = 3
"""Fewer days than this on a side say nothing about the level."""


def from_rhythm(activity: Activity, counts: Floats, trusted: Flags) -> Floats:
    """What the shop's usual week lets expect; nothing in steps that the log may cut in two."""
    whole = np.ones(len(counts))
    whole[[0, -1]] = 0
    return _expected(counts, whole, activity.step_of_week, activity.day, trusted)


def from_exposure(activity: Activity, counts: Floats, exposure: Floats, trusted: Flags) -> Floats:
    """What the views, or the carts, of the same step let expect at this time of day."""
    return _expected(counts, exposure, activity.step_of_day, activity.day, trusted)


def _expected(counts: Floats, exposure: Floats, pattern: Ints, day: Ints, trusted: Flags) -> Floats:
    """Counts expected from ``exposure``: its rate at this place of the pattern, times a level.

    Rates and levels come from ``trusted`` steps; a step's own count is left out of its rate. NaN
    where there is nothing to compare with.
    """
    informing = trusted & (exposure > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weighted = exposure * (
            _of_others(counts * informing, pattern) / _of_others(exposure * informing, pattern)
        )
        known = informing & np.isfinite(weighted)
        by_day = np.bincount(day, counts * known) / np.bincount(day, np.where(known, weighted, 0))
    return weighted * _levels(by_day)[day]


def _of_others(values: Floats, pattern: Ints) -> Floats:
    others: Floats = np.bincount(pattern, values)[pattern] - values
    return others


def _levels(by_day: Floats) -> Floats:
    """The lower of the medians before and after each day: a lasting change is no outage."""
    sides = [
        (_median(by_day[max(0, i - WINDOW_DAYS) : i]), _median(by_day[i + 1 :][:WINDOW_DAYS]))
        for i in range(len(by_day))
    ]
    levels: Floats = np.fmin.reduce(np.array(sides), axis=1)
    return levels


def _median(by_day: Floats) -> float:
    known = by_day[np.isfinite(by_day)]
    return float(np.median(known)) if len(known) >= LEAST_DAYS else np.nan
