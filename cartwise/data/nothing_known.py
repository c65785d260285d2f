"""Why the outcome of no cart of a log is known, and what to do about it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from cartwise.counting import counted
from cartwise.data.horizons import or_shorter_horizon
from cartwise.data.known_outages import Outages
from cartwise.data.log import Log
from cartwise.data.splits import FATES, Fates, SplitSettings
from cartwise.data.without_carts import what_to_do
from cartwise.duration import format_duration
from cartwise.errors import NotEnoughData


@dataclass(frozen=True)
class NothingKnown:
    """The carts of a log, given by their times, all of which are censored; ``fates`` says how."""

    times: NDArray[np.int64]
    fates: Fates
    log: Log
    outages: Outages
    splits: SplitSettings

    def error(self, horizon_seconds: int) -> NotEnoughData:
        """What to raise where that came of this horizon."""
        return NotEnoughData(f"{self._span()}{self._reason(horizon_seconds)}")

    def _span(self) -> str:
        first, last = _moment(self.log.first_second), _moment(self.log.last_second)
        return f"the log spans {format_duration(self.log.span_seconds)} ({first} to {last} UTC)"

    def _reason(self, horizon_seconds: int) -> str:
        if not len(self.times):
            return (
                " and holds no cart event with a session, so there is nothing to learn: "
                f"{what_to_do(self.log)}"
            )
        carts = counted(len(self.times), "cart")
        shorter = self._or_shorter_horizon(horizon_seconds)
        if (self.fates == FATES.index("censored_end")).all():
            return (
                f", so with a horizon of {format_duration(horizon_seconds)} the outcome of none of "
                f"its {carts} is known: give a longer log{shorter}"
            )
        return (
            f", and each of its {carts} is too near to the end or to a suspect span: give a longer "
            f"log{shorter}, or correct the spans in {self.outages.file}"
        )

    def _or_shorter_horizon(self, than_seconds: int) -> str:
        spans = self.outages.spans
        return or_shorter_horizon(than_seconds, self.times, self.log, spans, self.splits)


def _moment(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M}"
