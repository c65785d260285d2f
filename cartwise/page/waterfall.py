"""The waterfall of reasons: from an average cart to this one, as a list whose text wraps."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final, NamedTuple

THINNEST: Final = 0.4
"""Of the whole width, in percent: a bar that hardly moves anything is still seen."""


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
    """The waterfall as HTML; colours follow the page, light or dark."""
    bars = steps(base, reasons, rest)
    return (
        '<ol class="cw-waterfall" aria-label="Reasons, the strongest first">'
        f"{''.join(_rows(bars))}</ol>"
        f"<p>an average cart: {_probability(base):.0%} → "
        f"this cart: {_probability(bars[-1].end):.0%} (before calibration)</p>"
    )


def _rows(bars: Sequence[Step]) -> Iterator[str]:
    places = [bars[0].start, *(step.end for step in bars)]
    low, scale = min(places), 100 / max(max(places) - min(places), 1e-9)
    average = (bars[0].start - low) * scale
    for step in bars:
        width = max(abs(step.end - step.start) * scale, THINNEST)
        left = min((min(step.start, step.end) - low) * scale, 100 - width)
        sign = "+" if step.kind == "for" else "\N{MINUS SIGN}"
        yield (
            f'<li><b class="cw-{step.kind}" aria-label="{step.kind} a purchase">{sign}</b> '
            f'{escape(step.text)}<div class="cw-track" style="--average:{average:.1f}%">'
            f'<div class="cw-{step.kind}" style="margin-left:{left:.1f}%;width:{width:.1f}%"></div>'
            "</div></li>"
        )


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
