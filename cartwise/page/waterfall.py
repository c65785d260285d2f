"""The waterfall of reasons: from an average cart to this one, as an image that speaks in words."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final, NamedTuple

WIDTH: Final = 720
ROW_HEIGHT: Final = 46
BAR_HEIGHT: Final = 14
MARGIN: Final = 8
LONGEST_TEXT: Final = 100


class Step(NamedTuple):
    """A bar from one log-odds to another."""

    text: str
    start: float
    end: float

    @property
    def kind(self) -> str:
        """Whether it speaks for a purchase or against it."""
        return "for" if self.end >= self.start else "against"


def steps(base: float, reasons: Sequence[dict[str, Any]], rest: float) -> list[Step]:
    """The reasons one after the other, the strongest first, and all others together."""
    found, at = [], base
    parts = [(reason["text"], reason["contribution"]) for reason in reasons]
    for text, contribution in [*parts, ("everything else together", rest)]:
        found.append(Step(text, at, at + contribution))
        at += contribution
    return found


def waterfall(base: float, reasons: Sequence[dict[str, Any]], rest: float) -> str:
    """The waterfall as SVG; colours follow the page, light or dark."""
    bars = steps(base, reasons, rest)
    places = [base, *(step.end for step in bars)]
    low, high = min(places), max(places)
    scale = (WIDTH - 2 * MARGIN) / max(high - low, 1e-9)
    height = ROW_HEIGHT * len(bars) + 30
    drawn = "".join(_bars(bars, low, scale))
    return (
        f'<svg class="cw-waterfall" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(_spoken(bars))}">{drawn}{_ends(bars, low, scale, height)}</svg>'
    )


def _bars(bars: Sequence[Step], low: float, scale: float) -> Iterator[str]:
    for row, step in enumerate(bars):
        x = MARGIN + (min(step.start, step.end) - low) * scale
        width = max(abs(step.end - step.start) * scale, 2)
        y = row * ROW_HEIGHT + 18
        text = step.text if len(step.text) <= LONGEST_TEXT else step.text[: LONGEST_TEXT - 1] + "…"
        sign = "+" if step.kind == "for" else "\N{MINUS SIGN}"
        yield (
            f'<text x="{MARGIN}" y="{y}"><tspan class="cw-{step.kind}" font-weight="bold">{sign}'
            f"</tspan> {escape(text)}</text>"
            f'<rect x="{x:.1f}" y="{y + 6}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="3" '
            f'class="cw-{step.kind}" fill="currentColor"/>'
        )


def _ends(bars: Sequence[Step], low: float, scale: float, height: int) -> str:
    start = MARGIN + (bars[0].start - low) * scale
    odds = f"an average cart: {_probability(bars[0].start):.0%}"
    reached = f"this cart: {_probability(bars[-1].end):.0%}"
    return (
        f'<line class="cw-axis" x1="{start:.1f}" y1="0" x2="{start:.1f}" y2="{height - 22}" '
        'stroke-dasharray="3 4"/>'
        f'<text x="{MARGIN}" y="{height - 4}">{odds} → {reached} (before calibration)</text>'
    )


def _spoken(bars: Sequence[Step]) -> str:
    said = (f"{step.text}: {'for' if step.kind == 'for' else 'against'}" for step in bars)
    return "Reasons, strongest first. " + "; ".join(said)


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
