"""The dictionary of features: what each is called and means, of whom, since when, and by default.

Made from a specification alone; the page of features and the registry of Feast repeat it.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from cartwise.features.spec import (
    OWNER,
    Derived,
    Entity,
    LogRatio,
    Rate,
    Reading,
    Specification,
)

MISSING: Final = "missing"
_NO_EVENTS: Final = {"count": "0", "age": MISSING, "price": MISSING}
_FACTS: Final = {
    "log_price": "natural logarithm of the cart's price; a price of 0 is unknown",
    "hour": "hour of the day of the cart, UTC, from 0 to 24",
    "weekday": "day of the week of the cart, UTC; Monday is 0",
}


class Entry(NamedTuple):
    """A feature as its users see it; ``default`` is what it reads as where nothing is known."""

    name: str
    meaning: str
    entity: str
    half_life: str
    default: str
    owner: str


def entries(specification: Specification) -> Iterator[Entry]:
    """Entries of all values, in the order in which they are computed."""
    for name, meaning in _FACTS.items():
        yield Entry(name, meaning, "cart", "", MISSING if name == "log_price" else "none", OWNER)
    for entity in specification.entities:
        yield from (entry_of(entity, reading) for reading in entity.read())
    for derived in specification.derived:
        default = "its prior" if isinstance(derived, Rate) else MISSING
        yield Entry(derived.name, formula(derived), "", "", default, OWNER)


def entry_of(entity: Entity, reading: Reading) -> Entry:
    """The entry of what is read from an entity's state."""
    default = _NO_EVENTS[reading.what]
    meaning = _meaning(entity, reading)
    return Entry(reading.name, meaning, entity.name, reading.half_life, default, entity.owner)


def _meaning(entity: Entity, reading: Reading) -> str:
    whose = f"{reading.event} events of {entity.meaning or entity.name}"
    match reading.what:
        case "count":
            return f"decayed count of {whose}"
        case "age":
            return f"seconds since the latest of the {whose}"
        case _:
            return f"decayed mean of the logarithm of the price of {whose}"


def formula(derived: Derived) -> str:
    """How a feature is derived from others, as a formula."""
    match derived:
        case Rate(_, hits, trials, prior, strength):
            return f"({hits} + {strength:g} · {prior}) / ({trials} + {strength:g})"
        case LogRatio(_, over, under, floor):
            added = f" + {floor:g}" if floor else ""
            return f"log(({over}{added}) / ({under}{added}))"
        case _:
            terms = " ".join(_term(factor, name) for name, factor in derived.terms)
            return terms.removeprefix("+ ")


def _term(factor: float, name: str) -> str:
    sign, size = "-" if factor < 0 else "+", abs(factor)
    return f"{sign} {name}" if size == 1 else f"{sign} {size:g} · {name}"
