"""The people: who comes, and what each of them is like.

A person is an index; indices grow with time of registration. Nothing is stored per person.
"""

from dataclasses import dataclass

import numpy as np

from cartwise.data.simulator.randomness import Floats, Ints, Trait, mixed, normal, uniform
from cartwise.data.simulator.shop import Shop

BLOCK = 256
ACTIVITY_SKEW = 2.0
"""In each block of people a visit goes to the person at ``BLOCK * u ** ACTIVITY_SKEW``."""

NEWCOMER_SHARE = 0.12
"""Share of visits by somebody who was never there before."""

SHORTLIST_SIZE = 6
FAVOURITES = 3


@dataclass(frozen=True)
class People:
    """Everybody who may come; ``memory`` is the mean age, in people, of those who return."""

    seed: int
    memory: float

    def visitors(self, known: int, count: int, rng: np.random.Generator) -> tuple[Ints, int]:
        """People of so many visits in order of time, and how many people are known after them."""
        new = rng.random(count) < NEWCOMER_SHARE
        latest = known + np.cumsum(new)
        age = rng.exponential(self.memory, count).astype(np.int64) % latest
        block = (latest - 1 - age) // BLOCK
        place = (BLOCK * rng.random(count) ** ACTIVITY_SKEW).astype(np.int64)
        returning = (block * BLOCK + place) % latest
        return np.where(new, latest - 1, returning), int(latest[-1]) if count else known

    def propensity(self, people: Ints) -> Floats:
        """How readily somebody buys what is in the cart, standard normal."""
        return normal(self.seed, Trait.PROPENSITY, people)

    def activity(self, people: Ints) -> Floats:
        """How often somebody comes, from -1 to 1, about uniform over people."""
        return 1.0 - 2.0 * (people % BLOCK) / BLOCK

    def curiosity(self, people: Ints) -> Floats:
        """How readily somebody puts things into the cart, standard normal."""
        return normal(self.seed, Trait.CURIOSITY, people)

    def budget(self, people: Ints) -> Floats:
        """The price level somebody likes, as a product's relative price."""
        return 0.8 * normal(self.seed, Trait.BUDGET, people)

    def category_taste(self, people: Ints, categories: Ints) -> Floats:
        """Standard normal."""
        return normal(self.seed, Trait.CATEGORY_TASTE, people, categories)

    def brand_taste(self, people: Ints, brands: Ints) -> Floats:
        """Standard normal; somebody's taste for products without a brand counts as a brand's."""
        return normal(self.seed, Trait.BRAND_TASTE, people, brands)

    def urgency(self, people: Ints, day: Ints) -> Floats:
        """How much somebody means to buy in that week, standard normal."""
        return normal(self.seed, Trait.URGENCY, people, _week(people, day))

    def need(self, shop: Shop, people: Ints, day: Ints) -> Ints:
        """The category that somebody is after in that week."""
        return shop.category_at(uniform(self.seed, Trait.NEED, people, _week(people, day)))

    def favourite(self, shop: Shop, people: Ints, place: Ints) -> Ints:
        """One of the ``FAVOURITES`` categories that somebody always likes to look at."""
        return shop.category_at(uniform(self.seed, Trait.FAVOURITE, people, place))

    def shortlist(self, people: Ints, categories: Ints, place: Ints) -> Floats:
        """Where in a category (0 to 1) the products are that somebody keeps coming back to."""
        return uniform(self.seed, Trait.SHORTLIST, people, categories, place)


def outside_ids(people: Ints) -> Ints:
    """User ids as the shop shows them: they grow with registration, with gaps."""
    return 512_000_000 + 7 * people + (mixed(people) % np.uint64(7)).astype(np.int64)


def _week(people: Ints, day: Ints) -> Ints:
    """Number of the week, which begins on another day for everybody."""
    week: Ints = (day + mixed(people).astype(np.int64) % 7) // 7
    return week
