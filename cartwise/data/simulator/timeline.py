"""From visits to events: what is carted and bought, and when everything happens."""

from dataclasses import dataclass, replace

import numpy as np

from cartwise.data.simulator import published
from cartwise.data.simulator.aftermath import (
    LATE_SECONDS,
    LATE_SHARE,
    Carts,
    late_purchases,
    more_carts,
    purchases,
    removals,
    returns,
    seconds,
)
from cartwise.data.simulator.choices import QUICK_SHARE, RETURN_SHARE, Decisions, within_a_day
from cartwise.data.simulator.eventlog import CART, NO_SESSION, PURCHASE, VIEW, Events
from cartwise.data.simulator.ledger import Ledger
from cartwise.data.simulator.randomness import Floats, Ints
from cartwise.data.simulator.visits import Pairs, Views, Visits, browse, pair_up
from cartwise.events import SECONDS_PER_DAY

MEDIAN_LOOK_SECONDS = 26
ROBOT_LOOK_SECONDS = 2
SHARED_SESSION_SHARE = 2e-4
"""Share of sessions in which somebody else looks too."""

_QUICK_SECONDS = 60
_RETURN = 1 << 62


@dataclass
class Timeline:
    """Turns visits into events; ``ledger`` remembers what is in carts from one call to the next."""

    decisions: Decisions
    removals: float
    ledger: Ledger

    def events(self, visits: Visits, rng: np.random.Generator) -> Events:
        """Everything that follows from these visits, in no order."""
        shop, people = self.decisions.shop, self.decisions.people
        views = browse(shop, people, visits, rng)
        carted, quick = self._wishes(visits, pair_up(shop, views), rng)
        hesitation = _hesitations(visits.intent[carted.visit], rng)
        times = _view_times(visits, views, carted.latest, hesitation, rng)
        cart_times = times[carted.latest] + hesitation
        rivals = earlier_rivals(carted.visit, shop.category[carted.product], cart_times)
        chance = self.decisions.buy_probability(visits, carted, rivals, rng)
        carts = _carts(visits, carted, cart_times, chance)
        sales = _carts(visits, quick, times[quick.latest] + _QUICK_SECONDS, np.ones(len(quick)))
        parts = [
            _view_events(visits, views, times, rng),
            *self._cart_events(carts, rng),
            self._quick_events(sales),
        ]
        return Events.together(parts)

    def _wishes(
        self, visits: Visits, pairs: Pairs, rng: np.random.Generator
    ) -> tuple[Pairs, Pairs]:
        """What goes into the cart, after how many views, and what is bought without one."""
        wish = self.decisions.cart_probability(visits, pairs)
        carts = rng.random(len(wish)) < wish
        carted, quick = pairs.take(carts), rng.random(len(wish)) < QUICK_SHARE * wish
        views = 1 + (carted.views * rng.random(len(carted))).astype(np.int64)
        return replace(carted, views=views), pairs.take(quick & ~carts)

    def _cart_events(self, carts: Carts, rng: np.random.Generator) -> list[Events]:
        carts = carts.take(self.ledger.free(self._keys(carts), carts.time))
        bought = rng.random(len(carts)) < carts.in_visit
        later = np.where(bought, np.inf, rng.random(len(carts)))
        back = later < RETURN_SHARE
        late = ~back & (later < RETURN_SHARE + LATE_SHARE)
        self._keep(carts, 1 + back + late * (LATE_SECONDS[1] // SECONDS_PER_DAY))
        numbers = self._return_numbers(carts)
        return [
            carts.events(CART, carts.time, within_a_day(carts.in_visit)),
            *more_carts(carts, rng),
            *purchases(carts.take(bought), rng),
            *returns(carts.take(back), numbers[back], rng),
            *late_purchases(carts.take(late), numbers[late], rng),
            removals(carts.take(~bought), self.removals, rng),
        ]

    def _quick_events(self, quick: Carts) -> Events:
        quick = quick.take(self.ledger.free(self._keys(quick), quick.time))
        self.ledger.take(self._keys(quick), quick.time + 1)
        return quick.events(PURCHASE, quick.time)

    def _keep(self, carts: Carts, days: Ints) -> None:
        self.ledger.take(self._keys(carts), carts.time + days * SECONDS_PER_DAY)

    def _return_numbers(self, carts: Carts) -> Ints:
        # At most one return follows a session's cart of a product, so the two identify it.
        return (carts.session * len(self.decisions.shop.product_ids) + carts.product) | _RETURN

    def _keys(self, carts: Carts) -> Ints:
        return carts.person * len(self.decisions.shop.product_ids) + carts.product


def _carts(visits: Visits, carted: Pairs, time: Ints, chance: Floats) -> Carts:
    person, session = visits.person[carted.visit], visits.number[carted.visit]
    return Carts(time, carted.product, person, session, chance)


def earlier_rivals(visit: Ints, category: Ints, time: Ints) -> Ints:
    """How many products of the same category the same visit carted before."""
    order = np.lexsort((time, category, visit))
    begins = (np.diff(visit[order], prepend=-1) != 0) | (np.diff(category[order], prepend=-1) != 0)
    place = np.arange(len(order))
    rivals = np.empty(len(order), np.int64)
    rivals[order] = place - np.maximum.accumulate(np.where(begins, place, 0))
    return rivals


def _hesitations(intent: Floats, rng: np.random.Generator) -> Ints:
    median = published.VIEW_TO_CART_MEDIAN_SECONDS * np.exp(-0.1 - 0.7 * intent)
    return seconds(median, 0.6, rng)


def _view_times(
    visits: Visits, views: Views, place: Ints, hesitation: Ints, rng: np.random.Generator
) -> Ints:
    median = MEDIAN_LOOK_SECONDS * np.exp(0.5 * visits.intent)
    median = np.where(visits.robot, ROBOT_LOOK_SECONDS, median)[views.visit]
    gaps = seconds(median, 0.8, rng)
    np.add.at(gaps, place, hesitation)
    passed = np.cumsum(gaps) - gaps
    opening = visits.views.cumsum() - visits.views
    times: Ints = visits.start[views.visit] + passed - passed[opening][views.visit]
    return times


def _view_events(visits: Visits, views: Views, times: Ints, rng: np.random.Generator) -> Events:
    shared = rng.random(len(visits)) < SHARED_SESSION_SHARE
    other = shared[views.visit] & (rng.random(len(times)) < 0.5)
    person = np.maximum(visits.person[views.visit] - other, 0)
    lost = rng.random(len(times)) < published.MISSING_SESSION_SHARE
    session = np.where(lost, NO_SESSION, visits.number[views.visit])
    return Events.of_kind(VIEW, times, views.product, person, session)
