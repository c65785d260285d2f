"""What becomes of every cart of a log: its label, and its part of the training set if any."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.data.day_files import DayOutcome
from cartwise.data.labels import LabelSettings, labelled_carts
from cartwise.data.log import Log
from cartwise.data.spans import Span, touches
from cartwise.data.splits import FATES, Fates, SplitSettings, split
from cartwise.duration import format_duration, parse_duration
from cartwise.errors import NotEnoughData
from cartwise.progress import Progress

HORIZONS: Final = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "24h", "3d", "7d")
"""Horizons to suggest, shortest first."""


@dataclass(frozen=True)
class Outcomes:
    """The carts of a log in log order, arrays of shape (carts,).

    Attributes:
        days: the log's days; ``starts[i]:starts[i + 1]`` are the carts of ``days[i]``.
        starts: shape (days + 1,).
        rows: place among the events of the cart's day.
        times: seconds since the Unix epoch.
        bought: whether it was bought within the horizon, as far as the log shows.
        fates: see :data:`cartwise.data.splits.FATES`.
        is_small: whether there were too few carts for four parts.
    """

    days: Sequence[date]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    bought: NDArray[np.bool_]
    fates: Fates
    is_small: bool

    @classmethod
    def of(
        cls,
        log: Log,
        spans: Sequence[Span],
        labels: LabelSettings,
        splits: SplitSettings,
        progress: Progress,
    ) -> Self:
        """Look at every cart of a log.

        Raises:
            NotEnoughData: no cart has a known outcome, or too few for two parts.
        """
        carts = _carts(log, labels, progress)
        times = carts["time"].to_numpy()
        fates = _censored(times, log, spans, labels)
        usable = fates == 0
        if not usable.any():
            raise _nothing_known(times, fates, log, labels)
        dealt = split(times[usable], labels.horizon_seconds, splits)
        fates[usable] = dealt.fates
        starts = np.searchsorted(carts["day"].to_numpy(), np.arange(len(log.days) + 1))
        rows, bought = carts["row"].cast(pl.Int64).to_numpy(), carts["bought"].to_numpy()
        return cls(log.days, starts, rows, times, bought, fates, dealt.is_small)

    def by_day(self) -> Iterator[tuple[date, DayOutcome]]:
        """Every day with what becomes of its carts."""
        for day, start, end in zip(self.days, self.starts, self.starts[1:], strict=False):
            yield (
                day,
                DayOutcome(self.rows[start:end], self.bought[start:end], self.fates[start:end]),
            )

    def having(self, *fates: str) -> NDArray[np.bool_]:
        """Which carts have one of these fates."""
        return np.isin(self.fates, [FATES.index(fate) for fate in fates])


def _carts(log: Log, labels: LabelSettings, progress: Progress) -> pl.DataFrame:
    frames = []
    with progress.task("label carts", len(log.days), "days") as advance:
        for place, (_, carts) in enumerate(labelled_carts(log.lake, log.days, labels)):
            frames.append(carts.with_columns(day=pl.lit(place, pl.UInt16)))
            advance(1)
    return pl.concat(frames)


def _censored(
    times: NDArray[np.int64], log: Log, spans: Sequence[Span], labels: LabelSettings
) -> Fates:
    fates = np.zeros(len(times), dtype=np.uint8)
    fates[touches(spans, times, labels.horizon_seconds)] = FATES.index("censored_outage")
    immature = times + labels.horizon_seconds > log.last_second
    fates[immature] = FATES.index("censored_end")
    return fates


def _nothing_known(
    times: NDArray[np.int64], fates: Fates, log: Log, labels: LabelSettings
) -> NotEnoughData:
    span = (
        f"the log spans {format_duration(log.span_seconds)} "
        f"({_moment(log.first_second)} to {_moment(log.last_second)} UTC)"
    )
    if not len(times):
        return NotEnoughData(
            f"{span} and holds no cart event with a session, so there is nothing to learn: "
            "give a log with carts"
        )
    if (fates == FATES.index("censored_end")).all():
        return NotEnoughData(
            f"{span}, so with a horizon of {format_duration(labels.horizon_seconds)} the outcome "
            f"of none of its {len(times)} carts is known: give a longer log or pass a shorter "
            f"horizon, such as --horizon {_suggested(log)}"
        )
    return NotEnoughData(
        f"{span}, and each of its {len(times)} carts is too near to the end or to a suspect span: "
        "give a longer log, pass a shorter --horizon, or correct the outage file"
    )


def _suggested(log: Log) -> str:
    """A horizon that leaves most of the log's carts with a known outcome."""
    fitting = [text for text in HORIZONS if parse_duration(text) <= log.span_seconds / 5]
    return fitting[-1] if fitting else HORIZONS[0]


def _moment(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M}"
