"""The curve of a policy: money over the share of carts nudged, as an image that speaks in words."""

from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 200
MARGIN: Final = 12


def value_curve(
    shares: Sequence[float], values: Sequence[float], best_share: float, best_value: float
) -> str:
    """Expected value per 1,000 carts by share nudged, the best one marked, as SVG.

    ``shares`` ascend from 0 to 1, and ``values`` belong to them. Colours follow the page.
    """
    low, high = min(0.0, *values), max(0.0, best_value, *values)
    scale = (HEIGHT - MARGIN) / max(high - low, 1e-9)

    def place(share: float, value: float) -> tuple[float, float]:
        return MARGIN + share * (WIDTH - 2 * MARGIN), MARGIN + (high - value) * scale

    points = " ".join(
        "{:.1f},{:.1f}".format(*place(*one)) for one in zip(shares, values, strict=True)
    )
    x, y = place(best_share, best_value)
    zero = place(0.0, 0.0)[1]
    return (
        f'<svg class="cw-curve" viewBox="0 0 {WIDTH} {HEIGHT + MARGIN}" role="img" '
        f'aria-label="{escape(_spoken(best_share, best_value, values[-1]))}">'
        f'<line class="cw-axis" x1="{MARGIN}" y1="{zero:.1f}" x2="{WIDTH - MARGIN}" '
        f'y2="{zero:.1f}"/>'
        f'<line class="cw-axis" x1="{x:.1f}" y1="{MARGIN}" x2="{x:.1f}" y2="{HEIGHT}" '
        'stroke-dasharray="3 4"/>'
        f'<polyline class="cw-for" points="{points}" fill="none" stroke="currentColor" '
        'stroke-width="2.5"/>'
        f'<circle class="cw-for" cx="{x:.1f}" cy="{y:.1f}" r="5" fill="currentColor"/>'
        "</svg>"
    )


def _spoken(best_share: float, best_value: float, everyone: float) -> str:
    return (
        "Expected value per 1,000 carts by the share of carts nudged: "
        f"0 if nobody is, {best_value:,.0f} at the best share of {best_share:.0%}, "
        f"{everyone:,.0f} if everybody is"
    )
