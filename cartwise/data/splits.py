"""Which part of the training set each cart belongs to, and why some belong to none.

Parts follow each other in time with an embargo of one horizon between them: the outcome of every
cart in a part is known before the first cart of the next one.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from cartwise.counting import counted
from cartwise.duration import format_duration
from cartwise.errors import NotEnoughData
from cartwise.parts import LEFT_OUT, PARTS

FATES: Final = (*PARTS, *LEFT_OUT)
"""What may become of a cart; a fate's code is its place in this tuple."""

Seconds = NDArray[np.int64]
Fates = NDArray[np.uint8]
By = Literal["share", "month"]

LEAST_CARTS: Final = 200
"""A part of fewer carts says too little to stop training or to calibrate by."""

_HOPELESS: Final = 10
"""Of fewer carts nothing is learned, whatever the horizon."""


@dataclass(frozen=True)
class SplitSettings:
    """Where one part ends and the next begins.

    Attributes:
        by: "share" cuts by share of carts; "month" takes the last calendar month for test, halves
            the one before for validation and calibration, and trains on all earlier ones.
        shares: of the carts in train, validation and calibration; the rest is for test.
        small_share: of the carts in train when there are too few for four parts.
    """

    by: By = "share"
    shares: tuple[float, float, float] = (0.6, 0.1, 0.1)
    small_share: float = 0.7


@dataclass(frozen=True)
class Split:
    """Fates of the carts, shape (carts,); ``is_small`` where they make but two parts."""

    fates: Fates
    is_small: bool

    def count(self, fate: str) -> int:
        """How many carts have this fate."""
        return int((self.fates == FATES.index(fate)).sum())


def split(times: Seconds, horizon_seconds: int, settings: SplitSettings) -> Split:
    """Deal carts, given by their times in order, to the parts.

    Raises:
        NotEnoughData: there are too few carts, or months, for two parts with an embargo between.
    """
    if not len(times):
        raise _too_few(times, horizon_seconds)
    borders = _month_borders(times) if settings.by == "month" else _borders(times, settings.shares)
    whole = Split(_deal(times, borders, horizon_seconds, PARTS), is_small=False)
    if all(whole.count(part) >= LEAST_CARTS for part in PARTS):
        return whole
    if settings.by == "month":
        raise NotEnoughData(
            f"a split by month leaves a part with fewer than {LEAST_CARTS} carts: split by share"
        )
    border = _borders(times, (settings.small_share,))
    small = Split(_deal(times, border, horizon_seconds, ("train", "test")), is_small=True)
    if small.count("train") and small.count("test"):
        return small
    raise _too_few(times, horizon_seconds)


def _too_few(times: Seconds, horizon_seconds: int) -> NotEnoughData:
    known = counted(len(times), "cart") + " with a known outcome"
    if len(times) < _HOPELESS:
        why = "cannot be parted into training and test"
    else:
        embargo = format_duration(horizon_seconds)
        why = f"are too few, or too close together, to leave {embargo} between training and test"
    return NotEnoughData(f"{known} {why}: {_longer(times, horizon_seconds)}")


def _longer(times: Seconds, horizon_seconds: int) -> str:
    # Between the parts, and at the end of the log, one horizon is lost.
    if not len(times) or times[-1] - times[0] < 2 * horizon_seconds:
        return f"give a log of {format_duration(3 * horizon_seconds)} or more"
    return "give a longer log"


def _borders(times: Seconds, shares: tuple[float, ...]) -> Seconds:
    places = (np.cumsum(shares) * len(times)).astype(np.int64)
    return times[np.minimum(places, len(times) - 1)]


def _month_borders(times: Seconds) -> Seconds:
    months = times.astype("datetime64[s]").astype("datetime64[M]")
    known = np.unique(months)
    if len(known) < 3:
        raise NotEnoughData(
            f"the carts are of {len(known)} calendar month(s), and a split by month takes three: "
            "split by share"
        )
    before_last = times[months == known[-2]]
    return np.array(
        [before_last[0], before_last[len(before_last) // 2], times[months == known[-1]][0]]
    )


def _deal(times: Seconds, borders: Seconds, horizon_seconds: int, parts: tuple[str, ...]) -> Fates:
    codes = np.array([FATES.index(part) for part in parts], dtype=np.uint8)
    place = np.searchsorted(borders, times, side="right")
    ends = np.append(borders, np.iinfo(np.int64).max)[place]
    return np.where(ends - times <= horizon_seconds, FATES.index("embargoed"), codes[place])
