"""Plots of the ranking: ROC, precision and recall, gain and lift."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cartwise.model.findings import SHARES
from cartwise.model.measures import Gains
from cartwise.model.report.drawing import (
    INK,
    MODEL,
    MUTED,
    RIVALS,
    TALL_INCHES,
    figure,
    percentages,
    rival_title,
    to_svg,
)

Array = NDArray[np.float64]

_POINTS: Final = 240
_LEAST_TOLD: Final = 0.1
"""Nearer to the origin numbers would lie over each other."""


def draw_roc(gains: Mapping[str, Gains]) -> str:
    """ROC curves of the model and every baseline."""
    with figure(TALL_INCHES) as (drawn, [axes]):
        for name, found in _model_last(gains):
            not_bought = found.carts - found.bought
            x, y = _thinned(not_bought / not_bought[-1], found.bought / found.bought[-1])
            _curve(axes, name, x, y, f"{rival_title(name)}  {found.auc:.3f}")
        percentages(axes, "abandoned carts above the threshold", "bought carts above it")
        _legend(drawn, "AUC")
        return to_svg(drawn, "roc")


def draw_precision_recall(gains: Mapping[str, Gains]) -> str:
    """Precision over recall of the model and every baseline."""
    with figure(TALL_INCHES) as (drawn, [axes]):
        for name, found in _model_last(gains):
            recall = found.bought[1:] / found.bought[-1]
            precision = found.bought[1:] / found.carts[1:]
            x, y = _thinned(np.append(0.0, recall), np.append(precision[0], precision))
            _curve(axes, name, x, y, f"{rival_title(name)}  {found.average_precision:.3f}")
        percentages(axes, "share of all bought carts found", "share bought among those found")
        _legend(drawn, "average precision")
        return to_svg(drawn, "precision-recall")


def draw_gain(gains: Mapping[str, Gains]) -> str:
    """The share of bought carts among the highest-scored carts, with lift at 1, 5, 10, 20 %."""
    with figure(TALL_INCHES) as (drawn, [axes]):
        for name, found in _model_last(gains):
            x, y = _thinned(found.carts / found.carts[-1], found.bought / found.bought[-1])
            _curve(axes, name, x, y, rival_title(name))
        model = gains["model"]
        rate = model.bought[-1] / model.carts[-1]
        axes.plot([0, rate, 1], [0, 1, 1], color=MUTED, lw=1, ls=":", label="perfect")
        for share in SHARES:
            _mark_lift(axes, share, model.capture(share))
        percentages(axes, "carts, highest probabilities first", "share of all bought carts found")
        _legend(drawn, "")
        return to_svg(drawn, "gain")


def _model_last(gains: Mapping[str, Gains]) -> list[tuple[str, Gains]]:
    """The model's curve is drawn over the others."""
    return [(name, gains[name]) for name in reversed([*RIVALS]) if name in gains]


def _thinned(x: Array, y: Array) -> tuple[Array, Array]:
    """At most a few hundred points of a curve, its ends among them."""
    places = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
    return x[places], y[places]


def _curve(axes: Axes, name: str, x: Array, y: Array, label: str) -> None:
    width = 2.4 if name == "model" else 1.2
    axes.plot(x, y, color=RIVALS[name], lw=width, label=label)


def _legend(drawn: Figure, title: str) -> None:
    """Below the axes, where it hides nothing; the last curve drawn is the most important."""
    handles, names = drawn.axes[0].get_legend_handles_labels()
    drawn.legend(
        handles[::-1],
        names[::-1],
        loc="outside lower left",
        ncols=2,
        title=title or None,
        alignment="left",
    )


def _mark_lift(axes: Axes, share: float, captured: float) -> None:
    axes.plot(share, captured, "o", color=MODEL, ms=4)
    if share < _LEAST_TOLD:
        return
    lift = f"{captured / share:.1f}×"  # noqa: RUF001 - the sign is meant
    beside: Mapping[str, Any] = {"xytext": (7, -4), "textcoords": "offset points"}
    axes.annotate(lift, (share, captured), color=INK, fontsize=8, **beside)
