"""Cartwise's specification as window aggregates: what the peers of the feature core compute.

For every entity and type of event: a decayed counter per half-life, the seconds since the latest
event, and decayed means of the logarithm of the price. Each counter is the forward-decayed sum
``2 ** ((t - L) / h)`` over an entity's earlier events and the cart itself, in log order, divided
by the same weight of the cart. The landmark L is the peers' only one, so a log of more than six
weeks would leave the range of a double at the half-life of an hour; Cartwise moves its landmarks.
Forgetting what is past its time to live is left to the comparison, and derived features to
Cartwise alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cartwise.events import EVENT_TYPES
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import Entity, seconds_of

ENTITIES: Final = SPECIFICATION.entities
HALF_LIVES: Final = {name: seconds_of(name) for name in SPECIFICATION.half_lives}
CART_KEY: Final = ("user_session", "product_id")
ROW: Final = ("seconds", "position")
"""What identifies a row: its second, and its place in the file of its day."""


@dataclass(frozen=True)
class Counter:
    name: str
    event: str
    half_life: str


@dataclass(frozen=True)
class Recency:
    name: str
    event: str


@dataclass(frozen=True)
class PriceMean:
    name: str
    event: str
    half_life: str


def counters(entity: Entity) -> Iterator[Counter]:
    for event in EVENT_TYPES:
        for half_life in entity.half_lives:
            yield Counter(entity.counter(event, half_life), event, half_life)


def recencies(entity: Entity) -> Iterator[Recency]:
    for event in EVENT_TYPES:
        yield Recency(f"{entity.name}_{event}_seconds_ago", event)


def price_means(entity: Entity) -> Iterator[PriceMean]:
    for price in entity.prices:
        name = f"{entity.name}_{price.event}_log_price_{price.half_life}"
        yield PriceMean(name, price.event, price.half_life)


def computed() -> list[str]:
    """Names of all values that peers compute, as Cartwise does."""
    return [name for entity in ENTITIES for name in entity.readings()]


def compared() -> list[str]:
    """Those that are in Cartwise's vectors, too."""
    return [name for name in computed() if name not in SPECIFICATION.unused]


def landmark(lake: Path) -> int:
    """Begin of the log's first day, seconds since the Unix epoch."""
    first = min(path.name for path in lake.glob("event_date=*"))
    return int(datetime.fromisoformat(f"{first.removeprefix('event_date=')}T00:00Z").timestamp())


def day_files(lake: Path) -> list[Path]:
    return sorted(lake.glob("event_date=*/events.parquet"))
