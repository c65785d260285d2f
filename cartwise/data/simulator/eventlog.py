"""Events of the simulated log as parallel arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from cartwise.data.simulator.randomness import Flags, Floats, Ints
from cartwise.events import EVENT_TYPES

VIEW, CART, REMOVE, PURCHASE = (
    EVENT_TYPES.index(name) for name in ("view", "cart", "remove_from_cart", "purchase")
)
NO_SESSION = -1


@dataclass(frozen=True)
class Events:
    """One row per event."""

    time: Ints
    """Seconds since the epoch."""
    kind: Ints
    """Index into ``EVENT_TYPES``."""
    product: Ints
    person: Ints
    session: Ints
    """Number of the session, ``NO_SESSION`` where the log lost it."""
    probability: Floats
    """For the first cart of a session and product: that it is bought in time; else NaN."""

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: Ints | Flags) -> "Events":
        """Those rows."""
        return Events(*(getattr(self, field.name)[rows] for field in fields(self)))

    def in_order(self) -> "Events":
        """By time; what happened in the same second keeps its order."""
        return self.take(np.argsort(self.time, kind="stable"))

    def without_truth(self) -> "Events":
        """The same events, none of them a first cart."""
        return replace(self, probability=np.full(len(self), np.nan))

    @staticmethod
    def of_kind(
        kind: int,
        time: NDArray[np.number],
        product: Ints,
        person: Ints,
        session: Ints,
        probability: Floats | None = None,
    ) -> "Events":
        """Events of one type."""
        truth = np.full(len(time), np.nan) if probability is None else probability
        seconds = time.astype(np.int64)
        return Events(seconds, np.full(len(time), kind), product, person, session, truth)

    @staticmethod
    def together(parts: Iterable["Events"]) -> "Events":
        """All rows, one part after the other."""
        columns = zip(
            *([getattr(part, f.name) for f in fields(Events)] for part in parts), strict=True
        )
        return Events(*(np.concatenate(column) for column in columns))


def no_events() -> Events:
    """A log without a row."""
    nothing = np.empty(0, np.int64)
    return Events(nothing, nothing, nothing, nothing, nothing, np.empty(0))
