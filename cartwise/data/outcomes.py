"""What becomes of every cart of a log: its label, and its part of the training set if any."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.data.censoring import censored
from cartwise.data.day_files import DayOutcome
from cartwise.data.horizons import or_shorter_horizon
from cartwise.data.known_outages import Outages
from cartwise.data.labels import LabelSettings, labelled_carts
from cartwise.data.log import Log
from cartwise.data.nothing_known import NothingKnown
from cartwise.data.splits import FATES, Fates, SplitSettings, split
from cartwise.data.without_sessions import require_sessions
from cartwise.errors import NotEnoughData
from cartwise.progress import Progress


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
        outages: Outages,
        labels: LabelSettings,
        splits: SplitSettings,
        progress: Progress,
    ) -> Self:
        """Look at every cart of a log.

        Raises:
            NotEnoughData: no cart has a known outcome, or too few for two parts; or labels ask
                for sessions that no purchase names.
        """
        carts = _carts(log, labels, progress)
        times = carts["time"].to_numpy()
        fates = censored(times, log, outages.spans, labels.horizon_seconds)
        usable = fates == 0
        if not usable.any():
            raise NothingKnown(times, fates, log, outages, splits).error(labels.horizon_seconds)
        if labels.scope == "session" and not carts["bought"].any():
            require_sessions(log)
        try:
            dealt = split(times[usable], labels.horizon_seconds, splits)
        except NotEnoughData as error:
            shorter = or_shorter_horizon(labels.horizon_seconds, times, log, outages.spans, splits)
            raise NotEnoughData(f"{error}{shorter}") from error
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
    with progress.task("label carts", len(log.days), "day") as advance:
        for place, (_, carts) in enumerate(labelled_carts(log.lake, log.days, labels)):
            frames.append(carts.with_columns(day=pl.lit(place, pl.UInt16)))
            advance(1)
    return pl.concat(frames)
