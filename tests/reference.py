"""The slow, obvious truth: every value straight from its definition over the list of past events.

Plain Python, one cart at a time, no state. All drivers are tested against this.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cartwise.events import EVENT_TYPES
from cartwise.features.spec import (
    LEAST_PRICE_WEIGHT,
    Entity,
    LogRatio,
    Rate,
    Specification,
    seconds_of,
)


@dataclass(frozen=True)
class Event:
    time: int
    event_type: str
    product_id: int
    category_id: int | None
    brand: str | None
    price: float
    user_id: int
    user_session: str | None

    def key(self, entity: Entity) -> tuple[object, ...] | None:
        key = tuple(getattr(self, column) for column in entity.key)
        return None if None in key else key


def vector(specification: Specification, arrived: Sequence[Event]) -> dict[str, float]:
    """Vector of the last of the events that have arrived, in order of arrival."""
    values = reference_values(specification, arrived)
    return {name: values[name] for name in specification.vector}


def reference_values(specification: Specification, arrived: Sequence[Event]) -> dict[str, float]:
    event = arrived[-1]
    values = _facts(event)
    for entity in specification.entities:
        values |= _readings(entity, arrived, event)
    for derived in specification.derived:
        values[derived.name] = _derived(derived, values)
    return values


def _facts(event: Event) -> dict[str, float]:
    return {
        "log_price": math.log(event.price) if event.price > 0 else math.nan,
        "hour": event.time % 86_400 / 3600,
        "weekday": (event.time // 86_400 + 3) % 7,
    }


def _readings(entity: Entity, arrived: Sequence[Event], event: Event) -> dict[str, float]:
    return readings_at(entity, arrived, event, event.time)


def readings_at(
    entity: Entity, arrived: Sequence[Event], who: Event, time: int
) -> dict[str, float]:
    """What is read at a time of the entity that ``who`` names, of the events that have arrived."""
    key = who.key(entity)
    if key is None:
        return dict.fromkeys(entity.readings(), math.nan)
    own = [past for past in arrived if past.key(entity) == key]
    at = max([time, *(past.time for past in own)])
    readings: dict[str, float] = {}
    for kind in EVENT_TYPES:
        of_kind = [past for past in own if past.event_type == kind]
        latest = max((past.time for past in of_kind), default=-math.inf)
        if at - latest > entity.time_to_live_seconds:
            of_kind = []
        for half_life in entity.half_lives:
            weights = [_weight(past, at, half_life) for past in of_kind]
            readings[entity.counter(kind, half_life)] = sum(weights)
        readings[f"{entity.name}_{kind}_seconds_ago"] = at - latest if of_kind else math.nan
        for price in entity.prices_of(kind):
            name = f"{entity.name}_{kind}_log_price_{price.half_life}"
            readings[name] = _mean_log_price(of_kind, at, price.half_life)
    return readings


def _weight(past: Event, at: int, half_life: str) -> float:
    return 2.0 ** (-(at - past.time) / seconds_of(half_life))


def _mean_log_price(events: Sequence[Event], at: int, half_life: str) -> float:
    priced = [(math.log(past.price), _weight(past, at, half_life)) for past in events if past.price]
    weight = sum(weight for _, weight in priced)
    if weight < LEAST_PRICE_WEIGHT:
        return math.nan
    return sum(price * weight for price, weight in priced) / weight


def _derived(derived: object, values: dict[str, float]) -> float:
    if isinstance(derived, Rate):
        prior = values[derived.prior] if isinstance(derived.prior, str) else derived.prior
        hits, trials = (_at_least_none(values[name]) for name in (derived.hits, derived.trials))
        return (hits + derived.strength * prior) / (trials + derived.strength)
    if isinstance(derived, LogRatio):
        over, under = values[derived.over] + derived.floor, values[derived.under] + derived.floor
        return math.log(over / under) if over > 0 and under > 0 else math.nan
    return sum(factor * values[name] for name, factor in derived.terms)


def _at_least_none(value: float) -> float:
    return 0.0 if math.isnan(value) else max(0.0, value)
