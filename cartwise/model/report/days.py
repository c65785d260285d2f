"""The plot of the log: carts and the share bought by day, what is censored, and the parts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cartwise.events import SECONDS_PER_DAY
from cartwise.model.manifest import Manifest
from cartwise.model.report.drawing import (
    GOLD,
    GRAY,
    MODEL,
    PURPLE,
    WARM,
    figure,
    legend_above,
    percent,
    to_svg,
)

Array = NDArray[np.float64]

_PART_COLORS: Final = {"train": MODEL, "validation": GOLD, "calibration": PURPLE, "test": WARM}
_HEIGHT_INCHES: Final = 3.4
_MANY_DAYS: Final = 100
_NAMED_DAYS: Final = 6


def draw_days(manifest: Manifest) -> str:
    """Share bought and carts by day, with censored spans and the parts of the split."""
    days, carts, positives, censored = _calendar(manifest)
    rate = np.divide(positives, carts, out=np.full_like(carts, np.nan), where=carts > 0)
    layout = {"sharex": True, "height_ratios": [2.4, 1.0]}
    with figure(_HEIGHT_INCHES, 2, 1, **layout) as (drawn, [above, below]):
        above.plot(days, rate, "o-", color=MODEL, ms=3 if len(days) < _MANY_DAYS else 1, lw=1.4)
        above.set_ylim(0.0, max(0.01, 1.12 * np.nanmax(rate, initial=0.0)))
        above.set_ylabel("share bought")
        above.yaxis.set_major_formatter(percent)
        _bars(below, days, np.zeros_like(carts), carts, MODEL, "mature carts")
        _bars(below, days, carts, carts + censored, GRAY, "censored carts")
        legend_above(below, columns=2)
        _mark_spans((above, below), manifest)
        _mark_parts(above, manifest)
        _name_days(below, days)
        return to_svg(drawn, "days")


def _calendar(manifest: Manifest) -> tuple[Array, Array, Array, Array]:
    """Middles of all days from the first to the last, and their carts, bought and censored."""
    numbers = np.array([int(_day_number(day.date)) for day in manifest.daily])
    counts = np.zeros((3, np.ptp(numbers) + 1))
    facts = [(day.carts, day.positives, day.censored) for day in manifest.daily]
    counts[:, numbers - numbers.min()] = np.array(facts).T
    middles = numbers.min() + np.arange(counts.shape[1]) + 0.5
    return middles, counts[0], counts[1], counts[2]


def _bars(axes: Axes, days: Array, low: Array, high: Array, color: str, label: str) -> None:
    """Bars of one day each, joined to one shape: a long log has hundreds of them."""
    edges = np.repeat(days, 4) + np.tile([-0.4, -0.4, 0.4, 0.4], len(days))
    bottom = np.repeat(low, 4)
    top = np.column_stack([low, high, high, low]).ravel()
    axes.fill_between(edges, bottom, top, color=color, alpha=0.6, lw=0, label=label)


def _name_days(axes: Axes, days: Array) -> None:
    """At most six dates below the middles of their days."""
    shown = days[:: -(-len(days) // _NAMED_DAYS)]
    dates = [datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC) for day in shown]
    axes.set_xticks(shown, [f"{date.day} {date:%b}" for date in dates])


def _mark_spans(panels: Sequence[Axes], manifest: Manifest) -> None:
    for span in manifest.censored_spans:
        for axes in panels:
            start, end = _day_number(span.start), _day_number(span.end)
            axes.axvspan(start, end, color=WARM, alpha=0.16, lw=0)
    if manifest.censored_spans:
        note = "shaded: not recorded as usual"
        corner = panels[0].transAxes
        panels[0].text(1.0, 0.04, note, transform=corner, color=WARM, fontsize=8, ha="right")


def _mark_parts(axes: Axes, manifest: Manifest) -> None:
    """A colored strip above the days for each part of the split."""
    above = axes.get_xaxis_transform()
    style: Mapping[str, Any] = {"clip_on": False, "solid_capstyle": "projecting", "lw": 4}
    strips = []
    for name, part in manifest.parts.items():
        if part.carts == 0:
            continue
        when = [_day_number(part.first_cart), _day_number(part.last_cart)]
        strips += axes.plot(
            when, [1.0, 1.0], color=_PART_COLORS[name], label=name, transform=above, **style
        )
    legend_above(axes, columns=len(strips), handles=strips)


def _day_number(time: str) -> float:
    """Days since 1970 of an ISO date or time (UTC where it says no zone): matplotlib's scale."""
    moment = datetime.fromisoformat(time)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / SECONDS_PER_DAY
