"""Visits: when somebody comes, how long, with what in mind, and which products they look at."""

from dataclasses import dataclass

import numpy as np

from cartwise.data.simulator import published
from cartwise.data.simulator.people import FAVOURITES, SHORTLIST_SIZE, People
from cartwise.data.simulator.randomness import Flags, Floats, Ints, logistic
from cartwise.data.simulator.shop import Shop
from cartwise.events import SECONDS_PER_DAY, SECONDS_PER_HOUR

COMES_BACK_SHARE = 0.28
"""Share of visits that follow an earlier one of the same person by some hours."""

MEAN_PAUSE_SECONDS = 4 * SECONDS_PER_HOUR
REMEMBERED_SECONDS = 16 * SECONDS_PER_HOUR
MOST_REMEMBERED = 50_000
ROBOT_SHARE = 1.5e-5
LONGEST_VISIT = 250

_NEED_SHARE, _FAVOURITE_SHARE = 0.5, 0.2
_SHORTLIST_SHARE = 0.4
_WANDERS = 0.1
_LOOKS_BACK = 0.12


@dataclass(frozen=True)
class Visits:
    """Sessions in order of their start, as parallel arrays."""

    number: Ints
    """Identifies the session."""
    start: Ints
    """Seconds since the epoch."""
    person: Ints
    intent: Floats
    """How much somebody means to buy today, about standard normal."""
    views: Ints
    robot: Flags

    def __len__(self) -> int:
        return len(self.start)

    @property
    def day(self) -> Ints:
        """Days since the epoch at the start."""
        return self.start // SECONDS_PER_DAY


@dataclass(frozen=True)
class Views:
    """Views as parallel arrays, visit by visit in order."""

    visit: Ints
    product: Ints


@dataclass(frozen=True)
class Pairs:
    """Products in front of somebody, each once per visit, as parallel arrays."""

    visit: Ints
    product: Ints
    views: Ints
    """How often the product was looked at so far."""
    first: Ints
    """Where the pair's views begin in ``order``."""
    order: Ints
    """Places in ``Views``, those of a pair together and in order of time."""

    def __len__(self) -> int:
        return len(self.visit)

    @property
    def latest(self) -> Ints:
        """The place in ``Views`` of the last view so far."""
        place: Ints = self.order[self.first + self.views - 1]
        return place

    def take(self, rows: Flags) -> "Pairs":
        """Those rows."""
        columns = self.visit[rows], self.product[rows], self.views[rows], self.first[rows]
        return Pairs(*columns, self.order)


@dataclass(frozen=True)
class Recent:
    """A sample of the visits of the last hours, in order of their start."""

    start: Ints
    person: Ints

    def before(self, times: Floats) -> tuple[Ints, Flags]:
        """Who came last before each of these times, and whether anybody did."""
        place = np.searchsorted(self.start, times) - 1
        return self.person[place], place >= 0

    def followed_by(self, start: Ints, person: Ints) -> "Recent":
        """With these later visits, and nothing forgotten."""
        return Recent(np.append(self.start, start), np.append(self.person, person))

    def thinned(self) -> "Recent":
        """Without what is long ago, and of bounded size: every other visit goes if need be."""
        since = np.searchsorted(self.start, self.start.max(initial=0) - REMEMBERED_SECONDS)
        kept = slice(int(since), None, 1 + (len(self.start) - since) // MOST_REMEMBERED)
        return Recent(self.start[kept], self.person[kept])


def nobody() -> Recent:
    """Before the first visit."""
    return Recent(np.empty(0, np.int64), np.empty(0, np.int64))


def arrive(
    people: People,
    starts: Ints,
    known: int,
    first_number: int,
    recent: Recent,
    rng: np.random.Generator,
) -> tuple[Visits, int]:
    """Visits at these sorted times, and how many people are known after them."""
    count = len(starts)
    person, known = people.visitors(known, count, rng)
    last, any_before = recent.followed_by(starts, person).before(
        starts - rng.exponential(MEAN_PAUSE_SECONDS, count)
    )
    again = any_before & (rng.random(count) < COMES_BACK_SHARE)
    person = np.where(again, last, person)
    robot = rng.random(count) < ROBOT_SHARE
    views = np.where(robot, rng.integers(300, 1500, count), _view_counts(count, rng))
    intent = 0.45 * rng.standard_normal(count) + 0.37 * (np.log(views) - 0.85)
    intent += 0.75 * people.urgency(person, starts // SECONDS_PER_DAY)
    number = first_number + np.arange(count)
    return Visits(number, starts, person, intent, views, robot), known


def browse(shop: Shop, people: People, visits: Visits, rng: np.random.Generator) -> Views:
    """What is looked at: mostly one category, mostly new products, sometimes the same again."""
    visit = np.repeat(np.arange(len(visits)), visits.views)
    opening = np.repeat(visits.views.cumsum() - visits.views, visits.views)
    place = np.arange(len(visit))
    category = _categories(shop, people, visits, visit, place, opening, rng)
    fresh = _is_fresh(visits.intent[visit], category, place == opening, rng)
    product = np.zeros(len(visit), np.int64)
    product[fresh] = _products(shop, people, visits, visit[fresh], category[fresh], rng)
    seen = np.maximum.accumulate(np.where(fresh, place, 0))
    back = ~fresh & (rng.random(len(visit)) < _LOOKS_BACK) & (category == category[opening])
    return Views(visit, product[np.where(back, opening, seen)])


def pair_up(shop: Shop, views: Views) -> Pairs:
    """Groups views by visit and product."""
    key = views.visit * len(shop.product_ids) + views.product
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    count = np.diff(first, append=len(order))
    return Pairs(views.visit[order[first]], views.product[order[first]], count, first, order)


def _view_counts(count: int, rng: np.random.Generator) -> Ints:
    least, most, share = (
        np.array(column) for column in zip(*published.SESSION_EVENTS, strict=True)
    )
    kind = np.searchsorted(share.cumsum() / 1.01, rng.random(count))
    inside = kind < len(share)
    at = kind.clip(0, len(share) - 1)
    # Within a class short visits are likelier than long ones.
    short = least[at] + ((most - least + 1)[at] * rng.random(count) ** 1.4).astype(np.int64)
    long = 21 + rng.exponential(14.0, count).astype(np.int64)
    views: Ints = np.where(inside, short, np.minimum(long, LONGEST_VISIT)).astype(np.int64)
    return views


def _categories(
    shop: Shop,
    people: People,
    visits: Visits,
    visit: Ints,
    place: Ints,
    opening: Ints,
    rng: np.random.Generator,
) -> Ints:
    chosen = (place == opening) | (rng.random(len(visit)) < _WANDERS)
    at = visit[chosen]
    draw = rng.random(len(at))
    person = visits.person[at]
    need = people.need(shop, person, visits.day[at])
    favourite = people.favourite(shop, person, rng.integers(0, FAVOURITES, len(at)))
    anything = shop.category_at(rng.random(len(at)))
    category = np.where(draw < _NEED_SHARE + _FAVOURITE_SHARE, favourite, anything)
    category = np.where((draw < _NEED_SHARE) & ~visits.robot[at], need, category)
    current: Ints = category[np.cumsum(chosen) - 1]
    return current


def _is_fresh(intent: Floats, category: Ints, opens: Flags, rng: np.random.Generator) -> Flags:
    again = rng.random(len(intent)) < logistic(-1.0 + 0.8 * intent)
    fresh: Flags = opens | ~again | (np.diff(category, prepend=-1) != 0)
    return fresh


def _products(
    shop: Shop,
    people: People,
    visits: Visits,
    visit: Ints,
    category: Ints,
    rng: np.random.Generator,
) -> Ints:
    """The better of two products that somebody comes across, or of two on the shortlist."""
    person = visits.person[visit]
    listed = (rng.random(len(visit)) < _SHORTLIST_SHARE) & ~visits.robot[visit]
    place = (SHORTLIST_SIZE * rng.random(len(visit)) ** 2).astype(np.int64)
    one = np.where(listed, people.shortlist(person, category, place), rng.random(len(visit)))
    other = np.where(
        listed, people.shortlist(person, category, place + SHORTLIST_SIZE), rng.random(len(visit))
    )
    first, second = shop.product_at(category, one), shop.product_at(category, other)
    better = _liking(shop, people, person, first) + rng.gumbel(0, 0.7, len(visit)) * ~listed
    return np.where(better >= _liking(shop, people, person, second), first, second)


def _liking(shop: Shop, people: People, person: Ints, product: Ints) -> Floats:
    price_gap = shop.relative_price[product] - people.budget(person)
    return 0.8 * people.brand_taste(person, shop.brand[product]) - 0.3 * np.abs(price_gap)
