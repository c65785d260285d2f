"""Plots of estimates beside each other: the model and its baselines, and kinds of carts."""

import math
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cartwise.model.baselines import NAMES as BASELINES
from cartwise.model.bootstrap import Estimate
from cartwise.model.report.drawing import (
    BAND,
    INK,
    MODEL,
    MUTED,
    RIVALS,
    TALL_INCHES,
    WARM,
    figure,
    percent,
    rival_title,
    to_svg,
)
from cartwise.model.slices import Slice

_ROW_INCHES: Final = 0.185
_LONGEST_NAME: Final = 28
_NAME_POINTS: Final = 7.8


def draw_rivals(estimates: Mapping[str, Estimate]) -> str:
    """AUC and log loss of the model and every baseline with their intervals, best AUC first."""
    rivals = sorted(BASELINES, key=lambda name: -estimates[f"baseline_{name}_auc"].value)
    rows = {"model": "", **{name: f"baseline_{name}_" for name in rivals}}
    with figure(TALL_INCHES, columns=2, sharey=True) as (drawn, panels):
        for axes, measure in zip(panels, ("auc", "log_loss"), strict=True):
            model = estimates[measure]
            axes.axvspan(model.low, model.high, color=MODEL, alpha=BAND, lw=0)
            for place, (name, prefix) in enumerate(rows.items()):
                found = estimates[f"{prefix}{measure}"]
                _dot(axes, place, found.value, found.low, found.high, RIVALS[name])
            axes.set_title(measure.replace("auc", "AUC").replace("_", " "), color=INK)
            axes.grid(visible=False, axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(3))
        panels[0].set_yticks(range(len(rows)), [rival_title(name) for name in rows], color=INK)
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        return to_svg(drawn, "rivals")


def draw_slices(slices: Sequence[Slice]) -> str:
    """AUC and share bought with intervals by slice; the tick is the mean prediction."""
    rows = _rows(slices)
    with figure(0.9 + _ROW_INCHES * len(rows), 1, 2, sharey=True) as (drawn, [quality, share]):
        for place, row in enumerate(rows):
            if isinstance(row, str):
                _heading(quality, place, row)
                continue
            _dot(quality, place, row.auc.value, row.auc.low, row.auc.high, MODEL)
            _dot(share, place, row.bought.value, row.bought.low, row.bought.high, WARM)
            share.plot(row.predicted, place, "|", color=INK, ms=8, mew=1.4)
        names = ["" if isinstance(row, str) else _slice_name(row) for row in rows]
        quality.set_yticks(range(len(rows)), names, fontsize=_NAME_POINTS)
        quality.set_ylim(len(rows) - 0.4, -0.6)
        quality.axvline(0.5, color=MUTED, lw=0.8)
        for axes in (quality, share):
            axes.grid(visible=False, axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
        if not any(math.isfinite(one.auc.value) for one in slices):
            quality.set(xticks=[], xlabel="cannot be told")
        quality.set_title("AUC", color=MODEL)
        share.set_title("bought", color=WARM)
        share.xaxis.set_major_formatter(percent)
        return to_svg(drawn, "slices")


def _rows(slices: Sequence[Slice]) -> list[Slice | str]:
    """Slices with a heading before each dimension."""
    rows: list[Slice | str] = []
    for place, one in enumerate(slices):
        if place == 0 or slices[place - 1].dimension != one.dimension:
            rows.append(one.dimension)
        rows.append(one)
    return rows


def _heading(axes: Axes, place: int, text: str) -> None:
    beside = axes.get_yaxis_transform()
    axes.text(-0.02, place, text, weight="bold", ha="right", va="center", transform=beside)


def _slice_name(one: Slice) -> str:
    name = shorten(one.name.split(": ", 1)[-1], _LONGEST_NAME, placeholder="…")
    return f"{name} ({one.carts:,})"


def _dot(axes: Axes, place: int, value: float, low: float, high: float, color: str) -> None:
    axes.plot([low, high], [place, place], color=color, lw=2.2, alpha=0.45)
    axes.plot(value, place, "o", color=color, ms=4)
