"""What follows a cart: more cart events, purchases, removals, and coming back to it later."""

from dataclasses import dataclass

import numpy as np

from cartwise.data.simulator import published
from cartwise.data.simulator.choices import later_probability
from cartwise.data.simulator.eventlog import CART, PURCHASE, REMOVE, VIEW, Events
from cartwise.data.simulator.randomness import Flags, Floats, Ints
from cartwise.events import SECONDS_PER_DAY, SECONDS_PER_HOUR

MORE_CARTS = 0.32
"""Each cart event is followed by one more of the same pair with this probability."""

SEVERAL_SHARE = 0.03
"""Share of purchases that the log shows twice, as when two pieces are bought."""

RETURN_CARTS_SHARE = 0.5
"""Share of returns to a cart in which the product is put into the cart again."""

LATE_SHARE = published.PAIRS_BOUGHT_AFTER_A_DAY
"""Share of the same pairs that somebody buys days later without having come back before."""

SLOW_SHARE = 0.03
"""Share of checkouts that somebody interrupts."""

CHECKOUT_MEDIAN_SECONDS = 0.88 * published.CART_TO_PURCHASE_MEDIAN_SECONDS
"""Of the first visit; those who come back and cart again take longer, which the figure counts."""

LONGEST_WAIT_SECONDS = 20 * SECONDS_PER_HOUR
RETURN_SECONDS = (SECONDS_PER_HOUR, SECONDS_PER_DAY - 600)
LATE_SECONDS = (SECONDS_PER_DAY + 600, 7 * SECONDS_PER_DAY)

_CHOICES = 6


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
        return Carts(
            self.time[rows],
            self.product[rows],
            self.person[rows],
            self.session[rows],
            self.in_visit[rows],
        )

    def events(self, kind: int, time: Ints, probability: Floats | None = None) -> Events:
        """Events of one type about these carts."""
        return Events.of_kind(kind, time, self.product, self.person, self.session, probability)


def more_carts(carts: Carts, rng: np.random.Generator) -> list[Events]:
    """Further cart events of the same session and product."""
    more = []
    while len(carts := carts.take(rng.random(len(carts)) < MORE_CARTS)):
        time = carts.time + seconds(np.full(len(carts), 20.0), 1.3, rng)
        carts = Carts(time, carts.product, carts.person, carts.session, carts.in_visit)
        more.append(carts.events(CART, time))
    return more


def purchases(carts: Carts, rng: np.random.Generator) -> list[Events]:
    """The purchase in the session itself, soon or (seldom) hours after the cart."""
    slow = np.where(rng.random(len(carts)) < SLOW_SHARE, 60.0, 1.0)
    time = carts.time + seconds(CHECKOUT_MEDIAN_SECONDS * slow, 1.4, rng)
    several = rng.random(len(carts)) < SEVERAL_SHARE
    return [
        carts.events(PURCHASE, time),
        carts.take(several).events(PURCHASE, time[several] + 1),
    ]


def returns(carts: Carts, numbers: Ints, rng: np.random.Generator) -> list[Events]:
    """Coming back to a cart within a day, in a session of its own, perhaps to buy."""
    chance = later_probability(carts.in_visit)
    decided = _later(carts.time, RETURN_SECONDS, rng)
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


def late_purchases(carts: Carts, numbers: Ints, rng: np.random.Generator) -> list[Events]:
    """Purchases days after the cart, beyond any label's horizon."""
    decided = _later(carts.time, LATE_SECONDS, rng)
    visit = Carts(decided - 90, carts.product, carts.person, numbers, carts.in_visit)
    return [visit.events(VIEW, visit.time), visit.events(PURCHASE, decided)]


def removals(carts: Carts, share: float, rng: np.random.Generator) -> Events:
    """What is taken out of the cart again."""
    carts = carts.take(rng.random(len(carts)) < share)
    return carts.events(REMOVE, carts.time + seconds(np.full(len(carts), 60.0), 1.2, rng))


def seconds(median: Floats, sigma: float, rng: np.random.Generator) -> Ints:
    """Whole seconds, log-normal around these medians, at least 1, at most 20 hours."""
    drawn = median * np.exp(sigma * rng.standard_normal(len(median)))
    whole: Ints = np.clip(drawn, 1, LONGEST_WAIT_SECONDS).astype(np.int64)
    return whole


def _later(time: Ints, delay_seconds: tuple[int, int], rng: np.random.Generator) -> Ints:
    """A time within these delays, sooner rather than later, and at an hour when people shop."""
    least, most = delay_seconds
    delay = least + (most - least) * rng.random((len(time), _CHOICES)) ** 1.7
    choices = time[:, np.newaxis] + delay.astype(np.int64)
    traffic = np.log(published.HOURLY_VIEWS_THOUSAND)
    appeal = traffic[choices % SECONDS_PER_DAY // SECONDS_PER_HOUR] + rng.gumbel(size=choices.shape)
    chosen: Ints = np.take_along_axis(choices, appeal.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    return chosen
