"""Lets days pass in a shop: visits come, events follow, in order of time and bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from cartwise.data.simulator import published
from cartwise.data.simulator.catalogue import build_shop
from cartwise.data.simulator.choices import Decisions
from cartwise.data.simulator.eventlog import Events, no_events
from cartwise.data.simulator.ledger import Ledger
from cartwise.data.simulator.people import People
from cartwise.data.simulator.randomness import Floats, Ints, Trait, normal
from cartwise.data.simulator.timeline import Timeline
from cartwise.data.simulator.visits import arrive, nobody
from cartwise.events import SECONDS_PER_DAY, SECONDS_PER_HOUR

VISITS_PER_SLICE = 20_000
"""A day is simulated in slices of at most so many visits: that bounds the memory."""

MEMORY_SHARE = 0.2
"""Mean age of those who return, in people per visit of 28 days."""

_REFERENCE_DAYS = 28


@dataclass(frozen=True)
class Slice:
    """What happened in the shop during a part of a day."""

    day: int
    """Days since the epoch."""
    visits: int
    """How many visits began."""
    events: Events
    """In order of time."""


class World:
    """A shop and its people over some days; ``slices`` can be walked once."""

    def __init__(self, seed: int, first_day: date, visits: int, days: int, removals: float) -> None:
        self._seed = seed
        self._first_day = (first_day - date(1970, 1, 1)).days
        weights = _day_weights(seed, self._first_day + np.arange(days))
        self._visits_by_day = _share_out(visits, weights)
        people = People(seed, max(300.0, MEMORY_SHARE * visits * _REFERENCE_DAYS / days))
        self.shop = build_shop(seed, _product_count(visits))
        self._people = people
        self._timeline = Timeline(Decisions(self.shop, people), removals, Ledger())
        self._known_people = int(2 * people.memory)
        self._visits = 0
        self._recent = nobody()
        self._pending = no_events()

    def slices(self) -> Iterator[Slice]:
        """Slice after slice; what would happen after the last day is left out."""
        for place, count in enumerate(self._visits_by_day):
            yield from self._slices_of(self._first_day + place, int(count))

    def _slices_of(self, day: int, visits: int) -> Iterator[Slice]:
        parts = 1 + visits // VISITS_PER_SLICE
        for part, count in enumerate(_share_out(visits, np.ones(parts))):
            rng = np.random.default_rng([self._seed, day, part])
            share = (part + np.sort(rng.random(int(count)))) / parts
            self._pass_time(day * SECONDS_PER_DAY + _times_of_day(share), rng)
            end = _times_of_day(np.array([(part + 1) / parts]))
            yield Slice(day, int(count), self._happened(day * SECONDS_PER_DAY + int(end[0])))

    def _pass_time(self, starts: Ints, rng: np.random.Generator) -> None:
        visits, self._known_people = arrive(
            self._people, starts, self._known_people, self._visits, self._recent, rng
        )
        self._recent = self._recent.followed_by(visits.start, visits.person).thinned()
        self._visits += len(visits)
        events = self._timeline.events(visits, rng)
        self._pending = Events.together([self._pending, _with_copies(events, rng)])

    def _happened(self, until: int) -> Events:
        now = self._pending.time < until
        happened, self._pending = self._pending.take(now), self._pending.take(~now)
        self._timeline.ledger.forget(until - SECONDS_PER_DAY)
        return happened.in_order()


def _product_count(visits: int) -> int:
    return int(published.PRODUCTS * min(1.0, visits / published.SESSIONS) ** 0.5)


def _day_weights(seed: int, days: Ints) -> Floats:
    # The first of January 1970 was a Thursday.
    weekday = np.array(published.WEEKDAY_SESSIONS)[(days + 3) % 7]
    return np.asarray(weekday * np.exp(0.03 * normal(seed, Trait.DAY, days)), np.float64)


def _share_out(total: int, weights: Floats) -> Ints:
    """Whole numbers in these proportions that add up to the total."""
    ends: Ints = np.rint(total * weights.cumsum() / weights.sum()).astype(np.int64)
    return np.diff(ends, prepend=0)


def _times_of_day(share: Floats) -> Ints:
    """Second of the day by which that share of the day's visits has begun."""
    hourly = np.append(0.0, np.cumsum(published.HOURLY_VIEWS_THOUSAND))
    seconds = np.interp(share, hourly / hourly[-1], SECONDS_PER_HOUR * np.arange(25))
    return seconds.astype(np.int64)


def _with_copies(events: Events, rng: np.random.Generator) -> Events:
    """Logs a few events twice, and very few many times."""
    more = np.minimum(rng.pareto(1.6, len(events)), published.MOST_COPIES - 2).astype(np.int64)
    copies = np.where(rng.random(len(events)) < 0.45 * published.DUPLICATE_SHARE, 1 + more, 0)
    repeated = events.take(np.repeat(np.arange(len(events)), copies))
    return Events.together([events, repeated.without_truth()])
