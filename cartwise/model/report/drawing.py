"""How plots look: one palette for light and dark, small enough for a phone, the same bytes twice.

Figures are drawn in stand-in colours, which become CSS variables in the SVG; the page that holds
it decides what they mean. Text stays text, so it can be read, searched and enlarged.
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cartwise.model.summary import baseline_title

WIDTH_INCHES: Final = 3.9
HEIGHT_INCHES: Final = 2.95
TALL_INCHES: Final = 3.4
"""For plots with a long legend, and those beside them."""

_NAMES: Final = (
    *("ink", "muted", "grid", "model", "warm", "green", "purple", "gold", "pink", "gray"),
    *("value0", "value1", "value2", "value3", "value4"),
)
# No figure uses a color that is almost black, so these can be told from all others.
_STAND_INS: Final = {name: f"#0000{place:02x}" for place, name in enumerate(_NAMES, start=1)}

BAND: Final = 0.18
"""Opacity of an interval's area."""

INK, MUTED, GRID, MODEL, WARM, GREEN, PURPLE, GOLD, PINK, GRAY = list(_STAND_INS.values())[:10]
VALUES: Final = tuple(_STAND_INS.values())[10:]
"""Five colors for a feature's value, from low to high."""

RIVALS: Final[Mapping[str, str]] = {
    "model": MODEL,
    "logistic": WARM,
    "category_rate": GOLD,
    "product_rate": PURPLE,
    "user_rate": PINK,
    "base_rate": GRAY,
}
"""The colors of the model and its baselines, the most important first."""

_LIGHT: Final = (
    *("#1b2430", "#5b6878", "#dde3ea", "#2463c8", "#cf5a1f", "#15876a", "#7a4fc4", "#a67c0a"),
    *("#bb3f86", "#8b97a5", "#2463c8", "#6f9be0", "#a08fb0", "#e0875a", "#cf4a1f"),
)
_DARK: Final = (
    *("#e8edf4", "#a2afbf", "#303b49", "#73adff", "#ff9d66", "#52d3aa", "#bd9cfa", "#e2bf55"),
    *("#f590c3", "#778596", "#5b9bff", "#8db6f5", "#b5a6c6", "#f5a37c", "#ff7d4d"),
)

_STYLE: Final[Any] = {
    "svg.hashsalt": "cartwise",
    "svg.fonttype": "none",
    # A shop's own names may hold dollar signs.
    "text.parse_math": False,
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 7.8,
    "legend.handlelength": 1.4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}

_SIZE: Final = re.compile(r'(<svg\b[^>]*?) width="[^"]*"([^>]*?) height="[^"]*"')
_SIZE_REVERSED: Final = re.compile(r'(<svg\b[^>]*?) height="[^"]*"([^>]*?) width="[^"]*"')
_REFERENCE: Final = re.compile(r'(\bid="|url\(#|href="#)')


def rival_title(name: str) -> str:
    """A line's name in a legend."""
    return "this model" if name == "model" else baseline_title(name).removeprefix("the ")


def theme_css(root: str) -> str:
    """The variables of both palettes as CSS rules for a root selector."""
    light, dark = (
        "".join(f"--{name}:{color};" for name, color in zip(_NAMES, palette, strict=True))
        for palette in (_LIGHT, _DARK)
    )
    return f"{root}{{{light}}}@media (prefers-color-scheme:dark){{{root}{{{dark}}}}}"


@contextmanager
def figure(
    height_inches: float = HEIGHT_INCHES, rows: int = 1, columns: int = 1, **layout: Any
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A styled figure with its axes, row by row; ``layout`` goes to ``Figure.subplots``."""
    with mpl.rc_context(_STYLE):
        drawn = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
        axes = drawn.subplots(rows, columns, squeeze=False, **layout)
        yield drawn, list(axes.flat)


def to_svg(drawn: Figure, name: str) -> str:
    """A figure as an SVG element for a page that defines the palette; ids begin with ``name``."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(_STYLE):
        drawn.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = _SIZE_REVERSED.sub(r"\1\2", _SIZE.sub(r"\1\2", svg, count=1), count=1)
    svg = _REFERENCE.sub(rf"\g<1>{name}-", svg)
    for color, stand_in in _STAND_INS.items():
        svg = svg.replace(stand_in, f"var(--{color})")
    return svg


def standalone(svg: str) -> str:
    """An element of ``to_svg`` as a document of its own, light or dark as its viewer is."""
    style = f"<style>{theme_css('svg')}text{{font-family:system-ui,sans-serif!important}}</style>"
    end_of_tag = svg.index(">") + 1
    return f'<?xml version="1.0" encoding="utf-8"?>\n{svg[:end_of_tag]}{style}{svg[end_of_tag:]}'


def percent(share: float, _position: object = None) -> str:
    """A tick label: a share as a percentage."""
    return f"{round(share * 100, 2):g} %"


def percentages(axes: Axes, x_label: str, y_label: str) -> None:
    """Let both axes run from 0 to 100 %."""
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=x_label, ylabel=y_label)
    axes.xaxis.set_major_formatter(percent)
    # Where the axes meet, one 0 is enough.
    axes.yaxis.set_major_formatter(lambda share, _position: percent(share) if share else "")


def legend_above(axes: Axes, *, columns: int, **entries: Any) -> None:
    """A legend over the axes, where it hides nothing; ``entries`` go to ``Axes.legend``."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        borderaxespad=0.2,
        columnspacing=1.2,
        **entries,
    )
