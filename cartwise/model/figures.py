"""The plots of the report, each a function from what was measured to one SVG element."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cartwise.events import SECONDS_PER_DAY
from cartwise.model.baselines import NAMES as BASELINES
from cartwise.model.bootstrap import Estimate
from cartwise.model.drawing import (
    GOLD,
    GRAY,
    GREEN,
    INK,
    MODEL,
    MUTED,
    PINK,
    PURPLE,
    VALUES,
    WARM,
    figure,
    percent,
    to_svg,
)
from cartwise.model.examples import Manifest
from cartwise.model.explanation import Contributions
from cartwise.model.findings import SHARES, Reliability, ValueCurve
from cartwise.model.measures import Gains
from cartwise.model.slices import Slice
from cartwise.model.summary import baseline_title

Array = NDArray[np.float64]

_POINTS: Final = 240
_BAND: Final = 0.18
_COLORS: Final = {
    "model": MODEL,
    "logistic": WARM,
    "category_rate": GOLD,
    "product_rate": PURPLE,
    "user_rate": PINK,
    "base_rate": GRAY,
}
_PART_COLORS: Final = {"train": MODEL, "validation": GOLD, "calibration": PURPLE, "test": WARM}
_STRONGEST: Final = 14
_DOTS: Final = 220
_HEIGHT_OF_DAYS: Final = 3.9
_MANY_DAYS: Final = 100
_NAMED_DAYS: Final = 6


def draw_roc(gains: Mapping[str, Gains]) -> str:
    """ROC curves of the model and every baseline."""
    with figure() as (drawn, [axes]):
        for name, found in _model_last(gains):
            not_bought = found.carts - found.bought
            x, y = _thinned(not_bought / not_bought[-1], found.bought / found.bought[-1])
            _curve(axes, name, x, y, f"{_title(name)}  {found.auc:.3f}")
        _shares(axes, "abandoned carts above the threshold", "bought carts above it")
        _legend(axes, "AUC", "lower right")
        return to_svg(drawn, "roc")


def draw_rivals(estimates: Mapping[str, Estimate]) -> str:
    """AUC and log loss of the model and every baseline with their intervals, best AUC first."""
    rivals = sorted(BASELINES, key=lambda name: -estimates[f"baseline_{name}_auc"].value)
    rows = {"model": "", **{name: f"baseline_{name}_" for name in rivals}}
    with figure(columns=2, sharey=True) as (drawn, panels):
        for axes, measure in zip(panels, ("auc", "log_loss"), strict=True):
            model = estimates[measure]
            axes.axvspan(model.low, model.high, color=MODEL, alpha=_BAND, lw=0)
            for place, (name, prefix) in enumerate(rows.items()):
                found = estimates[f"{prefix}{measure}"]
                _dot(axes, place, found.value, found.low, found.high, _COLORS[name])
            axes.set_title(measure.replace("auc", "AUC").replace("_", " "), color=INK)
            axes.grid(visible=False, axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(4))
        panels[0].set_yticks(range(len(rows)), [_title(name) for name in rows], color=INK)
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        return to_svg(drawn, "rivals")


def draw_precision_recall(gains: Mapping[str, Gains]) -> str:
    """Precision over recall of the model and every baseline."""
    with figure() as (drawn, [axes]):
        for name, found in _model_last(gains):
            recall = found.bought[1:] / found.bought[-1]
            precision = found.bought[1:] / found.carts[1:]
            x, y = _thinned(np.append(0.0, recall), np.append(precision[0], precision))
            _curve(axes, name, x, y, f"{_title(name)}  {found.average_precision:.3f}")
        _shares(axes, "share of all bought carts found", "share bought among those found")
        _legend(axes, "average precision", "best")
        return to_svg(drawn, "precision-recall")


def draw_gain(gains: Mapping[str, Gains]) -> str:
    """The share of bought carts among the highest-scored carts, with lift at 1, 5, 10, 20 %."""
    with figure() as (drawn, [axes]):
        for name, found in _model_last(gains):
            x, y = _thinned(found.carts / found.carts[-1], found.bought / found.bought[-1])
            _curve(axes, name, x, y, _title(name))
        model = gains["model"]
        rate = model.bought[-1] / model.carts[-1]
        axes.plot([0, rate, 1], [0, 1, 1], color=MUTED, lw=1, ls=":", label="perfect")
        for share in SHARES:
            _mark_lift(axes, share, model.capture(share))
        _shares(axes, "carts, highest probabilities first", "share of all bought carts found")
        _legend(axes, "", "lower right")
        return to_svg(drawn, "gain")


def draw_reliability(reliability: Reliability) -> str:
    """Share bought over predicted probability, in bins of equal mass, with intervals."""
    observed, predicted = reliability.observed, reliability.predicted
    with figure() as (drawn, [axes]):
        top = min(1.0, 1.08 * float(np.nanmax([observed.high, observed.value, predicted])))
        axes.plot([0, top], [0, top], color=MUTED, lw=1, ls="--", label="as predicted")
        low, high = observed.low, observed.high
        axes.fill_between(
            predicted, low, high, color=MODEL, alpha=_BAND, lw=0, label="95 % interval"
        )
        axes.plot(predicted, observed.value, "o-", color=MODEL, ms=4, label="observed")
        _shares(axes, "predicted probability", "share really bought")
        axes.set(xlim=(0, top), ylim=(0, top))
        axes.legend(loc="upper left")
        return to_svg(drawn, "reliability")


def draw_probabilities(probability: Array, bought: Array) -> str:
    """The distribution of predicted probabilities of bought and of abandoned carts."""
    edges = np.linspace(0.0, min(1.0, float(probability.max()) * 1.02), 41)
    with figure() as (drawn, [axes]):
        for name, kept, color in (("abandoned", bought == 0, GRAY), ("bought", bought > 0, MODEL)):
            counts = np.histogram(probability[kept], edges)[0] / max(1, kept.sum())
            axes.stairs(counts, edges, fill=True, color=color, alpha=0.3)
            axes.stairs(counts, edges, color=color, lw=1.6, label=f"{name} ({kept.sum():,})")
        axes.set(xlabel="predicted probability", ylabel="share of the carts of each kind")
        axes.xaxis.set_major_formatter(percent)
        axes.yaxis.set_major_formatter(percent)
        axes.legend(loc="upper right")
        return to_svg(drawn, "probabilities")


def draw_value(curve: ValueCurve, metrics: Mapping[str, float]) -> str:
    """Money per 1,000 carts over the threshold, with the policy's threshold and value."""
    with figure() as (drawn, [axes]):
        low, high = curve.value.low, curve.value.high
        axes.fill_between(curve.thresholds, low, high, color=GREEN, alpha=_BAND, lw=0)
        axes.plot(curve.thresholds, curve.value.value, color=GREEN, label="one threshold for all")
        axes.axhline(0.0, color=MUTED, lw=0.8)
        axes.axhline(
            metrics["expected_value"], color=MODEL, lw=1.3, ls="--", label="policy, by own price"
        )
        axes.axvline(
            metrics["threshold"], color=WARM, lw=1.3, ls=":", label="threshold, usual price"
        )
        axes.set(xlabel="nudge carts at or above this probability", ylabel="money per 1,000 carts")
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(percent)
        axes.legend(loc="best")
        return to_svg(drawn, "value")


def draw_slices(slices: Sequence[Slice]) -> str:
    """AUC and share bought with intervals by slice; the tick is the mean prediction."""
    rows = _rows(slices)
    with figure(0.9 + 0.185 * len(rows), 1, 2, sharey=True) as (drawn, [quality, share]):
        for place, row in enumerate(rows):
            if isinstance(row, str):
                quality.text(
                    -0.02,
                    place,
                    row,
                    weight="bold",
                    ha="right",
                    va="center",
                    transform=quality.get_yaxis_transform(),
                )
                continue
            _dot(quality, place, row.auc.value, row.auc.low, row.auc.high, MODEL)
            _dot(share, place, row.bought.value, row.bought.low, row.bought.high, WARM)
            share.plot(row.predicted, place, "|", color=INK, ms=8, mew=1.4)
        names = ["" if isinstance(row, str) else _slice_name(row) for row in rows]
        quality.set_yticks(range(len(rows)), names)
        quality.set_ylim(len(rows) - 0.4, -0.6)
        quality.axvline(0.5, color=MUTED, lw=0.8)
        quality.set_title("AUC", color=MODEL)
        share.set_title("bought (dot), predicted (tick)", color=WARM, fontsize=8.5)
        share.xaxis.set_major_formatter(percent)
        for axes in (quality, share):
            axes.grid(visible=False, axis="y")
        return to_svg(drawn, "slices")


def draw_contributions(contributions: Contributions) -> str:
    """The strongest features: a dot per cart at its contribution, colored by the value."""
    strongest = contributions.strongest(_STRONGEST)
    step = -(-len(contributions.values) // _DOTS)
    with figure(0.6 + 0.42 * max(2, len(strongest))) as (drawn, [axes]):
        for place, feature in enumerate(strongest):
            values = contributions.values[::step, feature]
            colors = _value_colors(contributions.vectors[::step, feature])
            heights = place + _swarm(values)
            for color in (GRAY, *VALUES):
                kept = colors == color
                axes.plot(values[kept], heights[kept], "o", color=color, ms=2.6, mew=0, alpha=0.8)
            name = contributions.names[feature]
            axes.text(0.0, place - 0.36, name, va="center", transform=axes.get_yaxis_transform())
        axes.set_yticks([])
        axes.set_ylim(len(strongest) - 0.4, -0.7)
        axes.axvline(0.0, color=MUTED, lw=0.8)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("contribution to the log-odds")
        return to_svg(drawn, "contributions")


def draw_days(manifest: Manifest) -> str:
    """Share bought and carts by day, with censored spans and the parts of the split."""
    days = np.array([_day_number(day.date) for day in manifest.daily]) + 0.5
    carts = np.array([day.carts for day in manifest.daily], dtype=np.float64)
    positives = np.array([day.positives for day in manifest.daily])
    censored = np.array([day.censored for day in manifest.daily])
    rate = np.divide(positives, carts, out=np.full_like(carts, np.nan), where=carts > 0)
    layout = {"sharex": True, "height_ratios": [2.4, 1.0]}
    with figure(_HEIGHT_OF_DAYS, 2, 1, **layout) as (drawn, [above, below]):
        above.plot(days, rate, "o-", color=MODEL, ms=3 if len(days) < _MANY_DAYS else 0, lw=1.4)
        above.set_ylim(bottom=0.0)
        above.set_ylabel("share bought")
        above.yaxis.set_major_formatter(percent)
        _bars(below, days, np.zeros_like(carts), carts, MODEL, "mature carts")
        _bars(below, days, carts, carts + censored, GRAY, "censored carts")
        below.legend(loc="lower left", bbox_to_anchor=(0.0, 0.98), ncols=2, borderaxespad=0.0)
        _mark_spans((above, below), manifest)
        _mark_parts(above, manifest)
        _name_days(below, days)
        return to_svg(drawn, "days")


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
        note = "shaded: purchases not recorded as usual"
        corner = panels[0].transAxes
        panels[0].text(1.0, 0.04, note, transform=corner, color=WARM, fontsize=8, ha="right")


def _mark_parts(axes: Axes, manifest: Manifest) -> None:
    """A colored strip above the days for each part of the split."""
    above = axes.get_xaxis_transform()
    style: Mapping[str, Any] = {"clip_on": False, "solid_capstyle": "butt", "lw": 4}
    strips = []
    for name, part in manifest.parts.items():
        if part.carts == 0:
            continue
        when = [_day_number(part.first_cart), _day_number(part.last_cart)]
        strips += axes.plot(
            when, [1.03, 1.03], color=_PART_COLORS[name], label=name, transform=above, **style
        )
    axes.legend(
        handles=strips,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.05),
        ncols=len(strips),
        borderaxespad=0.0,
        columnspacing=1.2,
    )


def _day_number(time: str) -> float:
    """Days since 1970 of an ISO date or time (UTC where it says no zone): matplotlib's scale."""
    moment = datetime.fromisoformat(time)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / SECONDS_PER_DAY


def _model_last(gains: Mapping[str, Gains]) -> list[tuple[str, Gains]]:
    """The model's curve is drawn over the others."""
    return [(name, gains[name]) for name in reversed(_COLORS) if name in gains]


def _title(name: str) -> str:
    return "this model" if name == "model" else baseline_title(name).removeprefix("the ")


def _thinned(x: Array, y: Array) -> tuple[Array, Array]:
    """At most a few hundred points of a curve, its ends among them."""
    places = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
    return x[places], y[places]


def _curve(axes: Axes, name: str, x: Array, y: Array, label: str) -> None:
    width = 2.4 if name == "model" else 1.2
    axes.plot(x, y, color=_COLORS[name], lw=width, label=label)


def _legend(axes: Axes, title: str, place: Any) -> None:
    """The last curve drawn is the most important: it is named first."""
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc=place, title=title or None, alignment="left")


def _mark_lift(axes: Axes, share: float, captured: float) -> None:
    axes.plot(share, captured, "o", color=MODEL, ms=4)
    lift = f"{captured / share:.1f}×"  # noqa: RUF001 - the sign is meant
    beside: Mapping[str, Any] = {"xytext": (7, -4), "textcoords": "offset points"}
    axes.annotate(lift, (share, captured), color=INK, fontsize=8, **beside)


def _shares(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=x_label, ylabel=y_label)
    axes.xaxis.set_major_formatter(percent)
    axes.yaxis.set_major_formatter(percent)


def _rows(slices: Sequence[Slice]) -> list[Slice | str]:
    """Slices with a heading before each dimension."""
    rows: list[Slice | str] = []
    for place, one in enumerate(slices):
        if place == 0 or slices[place - 1].dimension != one.dimension:
            rows.append(one.dimension)
        rows.append(one)
    return rows


def _slice_name(one: Slice) -> str:
    return f"{one.name.split(': ', 1)[-1]} ({one.carts:,})"


def _dot(axes: Axes, place: int, value: float, low: float, high: float, color: str) -> None:
    axes.plot([low, high], [place, place], color=color, lw=2.2, alpha=0.45)
    axes.plot(value, place, "o", color=color, ms=4)


def _value_colors(values: NDArray[np.float32]) -> NDArray[np.str_]:
    """A color by the value's place among the others (n,); gray where it is missing."""
    colors = np.full(len(values), GRAY)
    present = ~np.isnan(values)
    shown = values[present]
    below = np.searchsorted(np.sort(shown), shown, side="left")
    upto = np.searchsorted(np.sort(shown), shown, side="right")
    middle = (below + upto) / (2 * max(1, len(shown)))
    colors[present] = np.array(VALUES)[(middle * len(VALUES)).astype(int).clip(0, len(VALUES) - 1)]
    return colors


def _swarm(values: Array) -> Array:
    """Offsets (n,) that spread dots where they are dense, within a row of height 1."""
    spread = max(float(np.ptp(values)), 1e-12)
    cells = ((values - values.min()) / spread * 60).astype(int)
    offsets = np.zeros(len(values))
    for cell in np.unique(cells):
        members = np.flatnonzero(cells == cell)
        ladder = np.arange(len(members))
        offsets[members] = (ladder + 1) // 2 * np.where(ladder % 2, 1.0, -1.0)
    return offsets * min(0.06, 0.4 / max(1.0, float(np.abs(offsets).max())))
