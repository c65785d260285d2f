"""From visits to events: what is carted and bought, and when everything happens."""

from dataclasses import dataclass

import numpy as np

from cartwise.data.simulator import published
from cartwise.data.simulator.choices import (
    QUICK_SHARE,
    RETURN_SHARE,
    Decisions,
    Situation,
    later_probability,
    within_a_day,
)
from cartwise.data.simulator.eventlog import CART, NO_SESSION, PURCHASE, REMOVE, VIEW, Events
from cartwise.data.simulator.ledger import Ledger
from cartwise.data.simulator.randomness import Flags, Floats, Ints
from cartwise.data.simulator.visits import Views, Visits, browse, pair_up
from cartwise.events import SECONDS_PER_DAY, SECONDS_PER_HOUR

MEDIAN_LOOK_SECONDS = 26
LONGEST_CHECKOUT_SECONDS = 20 * SECONDS_PER_HOUR
RETURN_SECONDS = (SECONDS_PER_HOUR, SECONDS_PER_DAY - 600)
LATE_SECONDS = (SECONDS_PER_DAY + 600, 7 * SECONDS_PER_DAY)
LATE_SHARE = published.PAIRS_BOUGHT_AFTER_A_DAY / (1 - RETURN_SHARE)
RETURN_CARTS_SHARE = 0.5
SHARED_SESSION_SHARE = 2e-4
MORE_CARTS = 0.32
"""Each cart event is followed by one more of the same pair with this probability."""

SEVERAL_SHARE = 0.06
"""Share of purchases that the log shows twice, as when two pieces are bought."""

_RETURN = 1 << 62


@dataclass(frozen=True)
class Carts:
    """First carts of a visit and product, as parallel arrays."""

    time: Ints
    product: Ints
    person: Ints
    session: Ints
    in_visit: Floats
    """Probability to be bought in the visit itself."""

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: Ints | Flags) -> "Carts":
        """Those rows."""
        columns = (self.time, self.product, self.person, self.session, self.in_visit)
        return Carts(*(column[rows] for column in columns))

    def events(self, kind: int, time: Ints, probability: Floats | None = None) -> Events:
        """Events of one type about these carts."""
        return Events.of_kind(kind, time, self.product, self.person, self.session, probability)


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
        pairs = pair_up(shop, views)
        seen = Situation(pairs.visit, pairs.product, pairs.views)
        wish = self.decisions.cart_probability(visits, seen)
        draw = rng.random(len(wish))
        carted = np.flatnonzero(draw < wish)
        quick = np.flatnonzero((draw >= wish) & (rng.random(len(wish)) < QUICK_SHARE * wish))
        before = 1 + (pairs.views[carted] * rng.random(len(carted))).astype(np.int64)
        place = pairs.order[pairs.first[carted] + before - 1]
        hesitation = _hesitations(visits.intent[pairs.visit[carted]], rng)
        times = _view_times(visits, views, place, hesitation, rng)
        situation = Situation(pairs.visit[carted], pairs.product[carted], before)
        chance = self.decisions.buy_probability(visits, situation, rng)
        carts = _carts(visits, situation, times[place] + hesitation, chance)
        quick_times = times[pairs.order[pairs.first[quick] + pairs.views[quick] - 1]] + 60
        quick_carts = _carts(visits, seen.at(quick), quick_times, np.zeros(len(quick)))
        return Events.together(
            [
                _view_events(visits, views, times, rng),
                *self._cart_events(carts, rng),
                self._quick_events(quick_carts),
            ]
        )

    def _cart_events(self, carts: Carts, rng: np.random.Generator) -> list[Events]:
        carts = carts.take(self.ledger.free(self._keys(carts), carts.time))
        returns = self._return_numbers(carts)
        bought = rng.random(len(carts)) < carts.in_visit
        later = np.where(bought, np.inf, rng.random(len(carts)))
        back = later < RETURN_SHARE
        late = ~back & (later < RETURN_SHARE + LATE_SHARE)
        until = carts.time + SECONDS_PER_DAY + np.where(back, SECONDS_PER_DAY, 0)
        until += np.where(late, LATE_SECONDS[1], 0)
        self.ledger.take(self._keys(carts), until)
        return [
            carts.events(CART, carts.time, within_a_day(carts.in_visit)),
            *_more_carts(carts, rng),
            *_purchases(carts.take(bought), rng),
            *_returns(carts.take(back), returns[back], rng),
            *_late_purchases(carts.take(late), returns[late], rng),
            _removals(carts.take(~bought), self.removals, rng),
        ]

    def _quick_events(self, quick: Carts) -> Events:
        quick = quick.take(self.ledger.free(self._keys(quick), quick.time))
        self.ledger.take(self._keys(quick), quick.time + 1)
        return quick.events(PURCHASE, quick.time)

    def _return_numbers(self, carts: Carts) -> Ints:
        # At most one return follows a session's cart of a product, so the two identify it.
        return (carts.session * len(self.decisions.shop.product_ids) + carts.product) | _RETURN

    def _keys(self, carts: Carts) -> Ints:
        return carts.person * len(self.decisions.shop.product_ids) + carts.product


def _carts(visits: Visits, carted: Situation, time: Ints, chance: Floats) -> Carts:
    person, session = visits.person[carted.visit], visits.number[carted.visit]
    return Carts(time, carted.product, person, session, chance)


def _hesitations(intent: Floats, rng: np.random.Generator) -> Ints:
    median = published.VIEW_TO_CART_MEDIAN_SECONDS * np.exp(0.15 - 0.25 * intent)
    return _seconds(median, 1.1, rng)


def _view_times(
    visits: Visits, views: Views, place: Ints, hesitation: Ints, rng: np.random.Generator
) -> Ints:
    median = MEDIAN_LOOK_SECONDS * np.exp(0.25 * visits.intent)
    median = np.where(visits.robot, 2.0, median)[views.visit]
    gaps = _seconds(median, 1.2, rng)
    np.add.at(gaps, place, hesitation)
    passed = np.cumsum(gaps) - gaps
    opening = visits.views.cumsum() - visits.views
    return visits.start[views.visit] + passed - passed[opening][views.visit]


def _view_events(visits: Visits, views: Views, times: Ints, rng: np.random.Generator) -> Events:
    shared = rng.random(len(visits)) < SHARED_SESSION_SHARE
    other = shared[views.visit] & (rng.random(len(times)) < 0.5)
    person = np.maximum(visits.person[views.visit] - other, 0)
    lost = rng.random(len(times)) < published.MISSING_SESSION_SHARE
    session = np.where(lost, NO_SESSION, visits.number[views.visit])
    return Events.of_kind(VIEW, times, views.product, person, session)


def _more_carts(carts: Carts, rng: np.random.Generator) -> list[Events]:
    more = []
    while len(carts := carts.take(rng.random(len(carts)) < MORE_CARTS)):
        time = carts.time + _seconds(np.full(len(carts), 20.0), 1.3, rng)
        carts = Carts(time, carts.product, carts.person, carts.session, carts.in_visit)
        more.append(carts.events(CART, time))
    return more


def _purchases(carts: Carts, rng: np.random.Generator) -> list[Events]:
    median = np.full(len(carts), float(published.CART_TO_PURCHASE_MEDIAN_SECONDS))
    time = carts.time + np.minimum(_seconds(median, 1.5, rng), LONGEST_CHECKOUT_SECONDS)
    several = rng.random(len(carts)) < SEVERAL_SHARE
    return [
        carts.events(PURCHASE, time),
        carts.take(several).events(PURCHASE, time[several] + 1),
    ]


def _returns(carts: Carts, numbers: Ints, rng: np.random.Generator) -> list[Events]:
    """Coming back to a cart within a day, in a session of its own, perhaps to buy."""
    chance = later_probability(carts.in_visit)
    decided = carts.time + _between(RETURN_SECONDS, len(carts), rng)
    pause = rng.integers(40, 600, len(carts))
    visit = Carts(decided - pause, carts.product, carts.person, numbers, chance)
    again = rng.random(len(carts)) < RETURN_CARTS_SHARE
    buys = rng.random(len(carts)) < chance
    recart = visit.take(again)
    return [
        visit.events(VIEW, visit.time),
        recart.events(CART, recart.time + pause[again] // 2, recart.in_visit),
        visit.take(buys).events(PURCHASE, decided[buys]),
    ]


def _late_purchases(carts: Carts, numbers: Ints, rng: np.random.Generator) -> list[Events]:
    """Purchases days after the cart, beyond any label's horizon."""
    decided = carts.time + _between(LATE_SECONDS, len(carts), rng)
    visit = Carts(decided - 90, carts.product, carts.person, numbers, carts.in_visit)
    return [visit.events(VIEW, visit.time), visit.events(PURCHASE, decided)]


def _removals(carts: Carts, share: float, rng: np.random.Generator) -> Events:
    carts = carts.take(rng.random(len(carts)) < share)
    return carts.events(REMOVE, carts.time + _seconds(np.full(len(carts), 60.0), 1.2, rng))


def _between(bounds: tuple[int, int], count: int, rng: np.random.Generator) -> Ints:
    least, most = bounds
    return (least + (most - least) * rng.random(count) ** 1.7).astype(np.int64)


def _seconds(median: Floats, sigma: float, rng: np.random.Generator) -> Ints:
    spread = np.exp(sigma * rng.standard_normal(len(median)))
    return np.maximum(1, np.minimum(median * spread, 6 * SECONDS_PER_HOUR)).astype(np.int64)
