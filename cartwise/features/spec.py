"""What a feature is, as data: which entities keep state, and what a model's vector derives from it.

Everything else follows from a :class:`Specification`: the layout of the states, the order of the
vector, the names, the documentation and the fingerprint. A feature is added here and nowhere else.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal

from cartwise.events import EVENT_TYPES, SECONDS_PER_DAY, SECONDS_PER_HOUR

LANDMARK_SECONDS = 28 * SECONDS_PER_DAY
"""Distance of two landmarks; every half-life divides it, so that rebasing a state is exact."""

TIME_TO_LIVE_HALF_LIVES = 40
"""A state is forgotten after this many of its longest half-lives: by then it weighs 1e-12."""

FORMULAS = 2
"""Version of what the kernel computes; whoever changes a formula there counts it up, and states,
training sets and bundles of before are refused."""

LEAST_PRICE_WEIGHT = 1e-6
"""A mean price whose events weigh less together reads as missing: they are about to expire."""

OWNER: Final = "data-science"
"""The team that answers for a feature where nobody else is named."""

FACTS = ("log_price", "hour", "weekday")
"""What the cart event itself tells: natural logarithm of the price, UTC hour [0, 24) and weekday
(Monday is 0). A price of zero means unknown, so its logarithm is missing."""

_UNITS = {"h": SECONDS_PER_HOUR, "d": SECONDS_PER_DAY}


def seconds_of(half_life: str) -> int:
    """Seconds of a half-life's name: ``seconds_of("7d") == 604800``."""
    seconds = int(half_life[:-1]) * _UNITS[half_life[-1]]
    if LANDMARK_SECONDS % seconds:
        raise ValueError(f"half-life {half_life} does not divide the landmark distance of 28 days")
    return seconds


@dataclass(frozen=True)
class Price:
    """A decayed mean of the logarithm of the price over one type of event."""

    event: str
    half_life: str


@dataclass(frozen=True)
class Reading:
    """One number that can be read from a state: a decayed count of events of a type, the seconds
    since the latest of them, or the decayed mean of the logarithm of their prices."""

    name: str
    what: Literal["count", "age", "price"]
    event: str
    half_life: str = ""


@dataclass(frozen=True)
class Entity:
    """Something that state is kept for.

    It keeps a decayed counter per event type and half-life, the latest time per event type, and
    the decayed sums of ``prices``. An event without a value in one of the ``key`` columns leaves
    no trace in the entity and reads nothing from it.
    """

    name: str
    key: tuple[str, ...]
    half_lives: tuple[str, ...]
    prices: tuple[Price, ...] = ()
    meaning: str = ""
    owner: str = OWNER

    @property
    def time_to_live_seconds(self) -> int:
        """Seconds after its last event when nothing of a state can be seen any more."""
        return TIME_TO_LIVE_HALF_LIVES * max(map(seconds_of, self.half_lives))

    def prices_of(self, event: str) -> tuple[Price, ...]:
        """The price means that events of this type feed."""
        return tuple(price for price in self.prices if price.event == event)

    def counter(self, event: str, half_life: str) -> str:
        """Name of a counter."""
        return f"{self.name}_{event}_{half_life}"

    def read(self) -> Iterator[Reading]:
        """All that can be read from a state, in the order of its layout."""
        for event in EVENT_TYPES:
            for half_life in self.half_lives:
                yield Reading(self.counter(event, half_life), "count", event, half_life)
            yield Reading(f"{self.name}_{event}_seconds_ago", "age", event)
            for price in self.prices_of(event):
                name = f"{self.name}_{event}_log_price_{price.half_life}"
                yield Reading(name, "price", event, price.half_life)

    def readings(self) -> Iterator[str]:
        """Names of all that can be read from a state, in the order of its layout."""
        return (reading.name for reading in self.read())


@dataclass(frozen=True)
class Rate:
    """A smoothed share: ``(hits + strength * prior) / (trials + strength)``.

    ``prior`` is a number or the name of another value. Hits and trials that are missing, or below
    zero, count as none, so a rate is never missing: it falls back to its prior.
    """

    name: str
    hits: str
    trials: str
    prior: str | float
    strength: float


@dataclass(frozen=True)
class Sum:
    """A weighted sum, ``sum of factor * value``; missing if one of its values is."""

    name: str
    terms: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LogRatio:
    """``log((over + floor) / (under + floor))``; missing if a side is missing or not positive."""

    name: str
    over: str
    under: str
    floor: float = 0.0


Derived = Rate | Sum | LogRatio


@dataclass(frozen=True)
class Specification:
    """The entities, and what the vector derives from their readings.

    A *value* is a fact of the event, a reading of an entity's state, or derived from earlier
    values. The *vector* is every value that is not in ``unused``, in order.
    """

    entities: tuple[Entity, ...]
    derived: tuple[Derived, ...]
    unused: frozenset[str] = frozenset()

    @cached_property
    def half_lives(self) -> tuple[str, ...]:
        """All half-lives of all entities, shortest first."""
        names = {half_life for entity in self.entities for half_life in entity.half_lives}
        return tuple(sorted(names, key=seconds_of))

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Names of all values in the order in which they are computed."""
        readings = (name for entity in self.entities for name in entity.readings())
        names = (*FACTS, *readings, *(derived.name for derived in self.derived))
        _refuse_twice(names)
        return names

    @cached_property
    def vector(self) -> tuple[str, ...]:
        """Names of the model's inputs in order."""
        unknown = self.unused.difference(self.values)
        if unknown:
            raise ValueError(f"unused names no value: {sorted(unknown)}")
        return tuple(name for name in self.values if name not in self.unused)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides a state's layout or a vector's meaning: 16 hex digits."""
        facts = asdict(self) | {
            "entities": [_deciding(entity) for entity in self.entities],
            "formulas": FORMULAS,
            "time_to_live": TIME_TO_LIVE_HALF_LIVES,
            "unused": sorted(self.unused),
            "landmark": LANDMARK_SECONDS,
            "least_price_weight": LEAST_PRICE_WEIGHT,
        }
        kinds = [type(derived).__name__ for derived in self.derived]
        text = json.dumps([facts, kinds, FACTS, EVENT_TYPES], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def entity(self, name: str) -> Entity:
        """The entity of this name."""
        return next(entity for entity in self.entities if entity.name == name)


def _deciding(entity: Entity) -> dict[str, Any]:
    """What of an entity decides its states: not what is said of it, nor by whom."""
    facts = asdict(replace(entity, meaning=""))
    del facts["owner"]
    return facts


def _refuse_twice(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two values are called {name}")
        seen.add(name)
