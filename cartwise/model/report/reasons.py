"""The plot of what the model looks at: a swarm of contributions for each strong feature."""

import math
from typing import Final

import numpy as np
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.phrases import Phrases
from cartwise.model.explanation import Contributions
from cartwise.model.report.drawing import GRAY, MUTED, VALUES, figure, to_svg

Array = NDArray[np.float64]

_STRONGEST: Final = 14
_DOTS: Final = 220
_NAME_ABOVE: Final = 0.36
"""How far a row's name stands above its middle; the dots have the room below it."""
_SWARM_BELOW: Final = 0.13
_SWARM_HALF: Final = 0.27
_NEAR: Final = (0.5, 2 / 3, 0.8, 1.0, 1.25, 1.5, 2.0)
_FAR: Final = (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0)


def draw_contributions(contributions: Contributions) -> str:
    """The strongest features: a dot per cart at its contribution, colored by the value."""
    strongest, phrases = contributions.strongest(_STRONGEST), Phrases(SPECIFICATION)
    step = -(-len(contributions.values) // _DOTS)
    with figure(0.6 + 0.42 * max(2, len(strongest))) as (drawn, [axes]):
        for place, feature in enumerate(strongest):
            values = contributions.values[::step, feature]
            colors = _value_colors(contributions.vectors[::step, feature])
            heights = place + _SWARM_BELOW + _swarm(values)
            for color in (GRAY, *VALUES):
                kept = colors == color
                axes.plot(values[kept], heights[kept], "o", color=color, ms=2.6, mew=0, alpha=0.8)
            title = phrases.title(contributions.names[feature])
            beside = axes.get_yaxis_transform()
            axes.text(0.0, place - _NAME_ABOVE, title, va="center", transform=beside)
        axes.set_yticks([])
        axes.set_ylim(len(strongest) - 0.4, -0.7)
        axes.axvline(0.0, color=MUTED, lw=0.8)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("odds of buying, times")
        far = max(map(abs, axes.get_xlim())) > math.log(_NEAR[-1])
        axes.xaxis.set_major_locator(
            FixedLocator([math.log(tick) for tick in (_FAR if far else _NEAR)])
        )
        axes.xaxis.set_major_formatter(_times)
        return to_svg(drawn, "contributions")


def _times(log_odds: float, _position: object = None) -> str:
    """A tick label: by what a contribution multiplies the odds."""
    return f"{math.exp(log_odds):.2g}" if log_odds < 0 else f"{math.exp(log_odds):.3g}"


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
    """Offsets (n,) that spread dots where they are dense, in a row's room for them."""
    spread = max(float(np.ptp(values)), 1e-12)
    cells = ((values - values.min()) / spread * 60).astype(int)
    offsets = np.zeros(len(values))
    for cell in np.unique(cells):
        members = np.flatnonzero(cells == cell)
        ladder = np.arange(len(members))
        offsets[members] = (ladder + 1) // 2 * np.where(ladder % 2, 1.0, -1.0)
    return offsets * min(0.06, _SWARM_HALF / max(1.0, float(np.abs(offsets).max())))
