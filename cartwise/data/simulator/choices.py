"""What somebody does with a product in front of them: the probabilities, and nothing else.

All probabilities are of logits that add up what is latent in the person, the product and the
visit. Part of it can be learnt from the log (a person's and a product's history, the price, the
views before the cart), part of it cannot (the mood of the day): as in life, no model reaches the
simulator's own probability.
"""

from dataclasses import dataclass

import numpy as np

from cartwise.data.simulator import published
from cartwise.data.simulator.people import People
from cartwise.data.simulator.randomness import Flags, Floats, Ints, logistic
from cartwise.data.simulator.shop import Shop
from cartwise.data.simulator.visits import Pairs, Visits
from cartwise.events import SECONDS_PER_DAY, SECONDS_PER_HOUR

CART_INTERCEPT = -4.6
BUY_INTERCEPT = -2.2
CONTRAST, HOUR_CONTRAST = 1.5, 2.0
"""Published differences are between averages; between logits of single carts they are larger."""

RETURN_SHARE = 0.24
"""Share of carted pairs not bought that somebody comes back to within a day."""

QUICK_SHARE = 0.04
"""Purchases without a cart in the session, for each cart that was likely."""

_HOURLY = np.array(published.HOURLY_PURCHASES_PER_CART)
_HOUR_LOGIT = np.log(_HOURLY / (1 - _HOURLY)) - np.log(0.41 / 0.59)


@dataclass(frozen=True)
class Decisions:
    """Answers about a shop's products and people; every method gives one value per row."""

    shop: Shop
    people: People

    def cart_probability(self, visits: Visits, seen: Pairs) -> Floats:
        """That somebody puts the product into the cart during this visit."""
        shop, person = self.shop, visits.person[seen.visit]
        logit = CART_INTERCEPT + shop.cart_logit[shop.category[seen.product]]
        logit += shop.appeal[seen.product] + 0.8 * visits.intent[seen.visit]
        logit += 0.45 * self.people.curiosity(person) + 0.35 * self.people.propensity(person)
        logit += 0.8 * np.log(seen.views) + 0.5 * self._taste(person, seen.product)
        logit += 2.0 * shop.discount(seen.product, visits.day[seen.visit])
        logit += 0.4 * self._needed(person, seen.product, visits.day[seen.visit])
        barred = visits.robot[seen.visit] | shop.unpriced(seen.product, visits.day[seen.visit])
        return np.where(barred, 0.0, logistic(logit))

    def buy_probability(
        self, visits: Visits, carted: Pairs, rivals: Ints, rng: np.random.Generator
    ) -> Floats:
        """That somebody buys in this visit what was just carted; ``rng`` draws the mood.

        ``rivals``: products of the same category that this visit put into the cart before.
        """
        person, day = visits.person[carted.visit], visits.day[carted.visit]
        logit = BUY_INTERCEPT + self._worth(carted.product, day)
        logit += self._fit(person, carted.product, day)
        logit += HOUR_CONTRAST * _hour_logit(visits.start[carted.visit])
        logit += visits.intent[carted.visit] + 0.1 * np.log(carted.views)
        logit -= 0.5 * np.log1p(rivals)
        logit += 0.1 * rng.standard_normal(len(logit))
        return logistic(logit)

    def _worth(self, product: Ints, day: Ints) -> Floats:
        """How well a product sells on that day, whoever carts it."""
        shop = self.shop
        logit = CONTRAST * shop.buy_logit[shop.category[product]] + shop.quality[product]
        logit += 0.3 * shop.competition(product, day) + 3.5 * shop.discount(product, day)
        return logit

    def _fit(self, person: Ints, product: Ints, day: Ints) -> Floats:
        """How readily this person buys, and this product in particular."""
        people = self.people
        logit = 0.35 * people.propensity(person) - 0.3 * people.curiosity(person)
        logit += 0.3 * self._taste(person, product) - 0.3 * people.activity(person)
        logit += 1.2 * self._needed(person, product, day) - 0.5 * self._strain(person, product)
        return logit

    def _taste(self, person: Ints, product: Ints) -> Floats:
        category = self.people.category_taste(person, self.shop.category[product])
        return 0.7 * category + 0.7 * self.people.brand_taste(person, self.shop.brand[product])

    def _needed(self, person: Ints, product: Ints, day: Ints) -> Flags:
        """Whether the product is of the kind that somebody is after this week."""
        needed: Flags = self.people.need(self.shop, person, day) == self.shop.category[product]
        return needed

    def _strain(self, person: Ints, product: Ints) -> Floats:
        """How far the price lies above what somebody likes to spend; below counts half."""
        gap = self.shop.relative_price[product] - self.people.budget(person)
        return np.maximum(gap, -0.5 * gap) - 0.6


def later_probability(in_visit: Floats) -> Floats:
    """That somebody who comes back to a cart then buys it."""
    return logistic(np.log(in_visit / (1.0 - in_visit)) * 0.7 + 0.6)


def within_a_day(in_visit: Floats) -> Floats:
    """That a carted product is bought in the visit, or else on coming back within a day."""
    return in_visit + (1.0 - in_visit) * RETURN_SHARE * later_probability(in_visit)


def _hour_logit(start: Ints) -> Floats:
    return np.asarray(_HOUR_LOGIT[start % SECONDS_PER_DAY // SECONDS_PER_HOUR])
