"""Whether chance explains what is missing: runs of steps with too few events."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cartwise.data.activity import Floats

MEDIAN_CHI_SQUARE: Final = 0.4549
"""Median of the chi-square distribution with one degree of freedom."""
EVIDENCE: Final = 14.0
"""Log likelihood ratio that a run needs: chance gives e**-14, about one in a million."""
EDGE: Final = (0.85, 0.4)
"""Neighbours of a run belong to it where the second share explains them better than the first."""
EDGE_EVIDENCE: Final = 5.0
"""Log likelihood ratio that such neighbours need together."""


@dataclass(frozen=True)
class Loss:
    """Steps ``first`` up to, but not including, ``past``."""

    first: int
    past: int
    observed: float
    expected: float


def losses(counts: Floats, expected: list[Floats], honest: float, lost: float) -> list[Loss]:
    """Runs whose loss the lowest expectation proves, with edges that the highest one shows.

    ``honest`` is the share of what was expected to which counts may fall for reasons of their
    own; a loss leaves the share ``lost`` or less.
    """
    lowest, highest = np.fmin.reduce(expected), np.fmax.reduce(expected)
    middle = np.nanmedian(np.where(np.isnan(lowest), 0, expected), axis=0)
    noise = dispersion(counts, middle)
    edges = evidence(counts, highest, *EDGE) / noise
    found: list[Loss] = []
    for first, past in runs(evidence(counts, lowest, honest, lost) / noise):
        begin, end = first - _reach(edges[:first][::-1]), past + _reach(edges[past:])
        if found and begin <= found[-1].past:
            begin = found.pop().first
        found.append(loss(counts, middle, begin, end))
    return found


def loss(counts: Floats, expected: Floats, first: int, past: int) -> Loss:
    """A loss with what it cost."""
    return Loss(first, past, float(counts[first:past].sum()), float(expected[first:past].sum()))


def dispersion(counts: Floats, expected: Floats) -> float:
    """How much more the counts vary than Poisson counts would (1), by the median step."""
    some = expected >= 1
    if not some.any():
        return 1.0
    squares = (counts[some] - expected[some]) ** 2 / expected[some]
    return max(1.0, float(np.median(squares)) / MEDIAN_CHI_SQUARE)


def evidence(counts: Floats, expected: Floats, honest: float, lost: float) -> Floats:
    """Poisson log likelihood ratio, per step, of the lost share against the honest one."""
    ratio: Floats = expected * (honest - lost) + counts * np.log(lost / honest)
    return np.nan_to_num(ratio)


def runs(evidence: Floats) -> Iterator[tuple[int, int]]:
    """Runs of steps whose summed evidence reaches what is needed, each up to its peak.

    The sum is that of Page's CUSUM ("Continuous Inspection Schemes", Biometrika 1954): it starts
    anew wherever it falls to nothing.
    """
    first = past = step = 0
    total = peak = 0.0
    while step <= len(evidence):
        total += evidence[step] if step < len(evidence) else -np.inf
        step += 1
        if total > peak:
            peak, past = total, step
        elif total <= max(0.0, peak - EVIDENCE):
            if peak >= EVIDENCE:
                yield first, past
                step = past
            first, total, peak = step, 0.0, 0.0


def _reach(edges: Floats) -> int:
    """How many of the next steps belong to the run before them."""
    reached, total, peak = 0, 0.0, 0.0
    for step, gained in enumerate(edges, start=1):
        total += gained
        if total < peak - EDGE_EVIDENCE:
            break
        if total > peak:
            reached, peak = step, total
    return reached if peak >= EDGE_EVIDENCE else 0
