"""How much happens in a shop, hour by hour: what outages are looked for in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.events import SECONDS_PER_DAY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SECONDS_PER_WEEK: Final = 7 * SECONDS_PER_DAY
COUNTED: Final = {
    "views": "view",
    "carts": "cart",
    "removals": "remove_from_cart",
    "purchases": "purchase",
}


@dataclass(frozen=True)
class Activity:
    """Counts on an unbroken grid of n steps; all arrays have shape (n,)."""

    step_seconds: int
    seconds: Ints
    """Begin of each step since the Unix epoch."""
    views: Floats
    carts: Floats
    purchases: Floats
    events: Floats

    @classmethod
    def of(cls, hourly: pl.DataFrame) -> "Activity":
        """Of two rows or more; the smallest step between them is the grid's."""
        begins = hourly["hour"].dt.epoch("s").to_numpy()
        step_seconds = int(np.diff(np.sort(begins)).min())
        seconds = np.arange(begins.min(), begins.max() + 1, step_seconds, dtype=np.int64)
        places = (begins - begins.min()) // step_seconds

        def spread(name: str) -> Floats:
            counts = np.zeros(len(seconds))
            counts[places] = hourly[name].fill_null(0).to_numpy()
            return counts

        counts = {name: spread(name) for name in COUNTED if name in hourly.columns}
        events = np.sum(list(counts.values()), axis=0)
        counts.pop("removals", None)
        return cls(step_seconds, seconds, events=events, **counts)

    def by_day(self) -> "Activity":
        """The same activity in steps of a day."""

        def summed(counts: Floats) -> Floats:
            return np.bincount(self.day, counts).astype(np.float64)

        return Activity(
            SECONDS_PER_DAY,
            np.unique(self.seconds - self.seconds % SECONDS_PER_DAY),
            summed(self.views),
            summed(self.carts),
            summed(self.purchases),
            summed(self.events),
        )

    @property
    def step_of_day(self) -> Ints:
        steps: Ints = self.seconds % SECONDS_PER_DAY // self.step_seconds
        return steps

    @property
    def step_of_week(self) -> Ints:
        steps: Ints = self.seconds % SECONDS_PER_WEEK // self.step_seconds
        return steps

    @property
    def day(self) -> Ints:
        """Days since the log's first one."""
        first = self.seconds[0] // SECONDS_PER_DAY
        days: Ints = self.seconds // SECONDS_PER_DAY - first
        return days

    def moment(self, step: int) -> datetime:
        """Begin of a step; of the one after the last, too."""
        return datetime.fromtimestamp(int(self.seconds[0]) + step * self.step_seconds, UTC)
