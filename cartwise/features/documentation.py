"""``python -m cartwise.features.documentation``: the page of all features, as specified."""

import sys
from collections.abc import Iterator

from cartwise.events import EVENT_TYPES
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.dictionary import entries
from cartwise.features.spec import (
    LEAST_PRICE_WEIGHT,
    TIME_TO_LIVE_HALF_LIVES,
    Entity,
    Specification,
)


def render(specification: Specification) -> str:
    """The page in Markdown."""
    return "\n".join(_lines(specification)) + "\n"


def _lines(specification: Specification) -> Iterator[str]:
    yield "# Features"
    yield ""
    yield "Made from the specification in `cartwise/features/catalogue.py` by"
    yield "`.venv/bin/python -m cartwise.features.documentation`; do not edit."
    yield ""
    yield f"{len(specification.vector)} features, fingerprint `{specification.fingerprint}`."
    yield "The vector of a cart holds everything in the log up to, and including, the cart event."
    yield ""
    yield "Facts of the cart event: `log_price` (natural logarithm, missing at price 0), `hour`"
    yield "(UTC, 0 to 24) and `weekday` (Monday is 0)."
    yield ""
    yield "In a rate, `(hits + strength · prior) / (trials + strength)`, hits and trials that are"
    yield "missing or below zero count as none."
    yield ""
    yield from _entities(specification)
    yield from _every_feature(specification)


def _entities(specification: Specification) -> Iterator[str]:
    yield "## What is remembered"
    yield ""
    yield f"For each entity and event type ({', '.join(EVENT_TYPES)}):"
    yield ""
    yield "- `<entity>_<event>_<half-life>`: an exponentially decayed count. An event one half-life"
    yield "  ago counts a half; the cart itself counts one."
    yield "- `<entity>_<event>_seconds_ago`: seconds since the latest such event; missing if none."
    yield "- `<entity>_<event>_log_price_<half-life>`: the decayed mean of the logarithm of the"
    yield f"  price; missing if its events together weigh less than {LEAST_PRICE_WEIGHT:g}."
    yield ""
    yield f"A state is forgotten {TIME_TO_LIVE_HALF_LIVES} of its longest half-lives after its last"
    yield "event, and what is older than that reads as if it had never been."
    yield ""
    yield "| entity | what | key | half-lives | mean prices | forgotten after |"
    yield "|---|---|---|---|---|---|"
    yield from map(_entity, specification.entities)
    yield ""


def _entity(entity: Entity) -> str:
    key = ", ".join(entity.key) or "none"
    prices = ", ".join(f"{price.event} {price.half_life}" for price in entity.prices) or "none"
    days = entity.time_to_live_seconds / 86_400
    half_lives = ", ".join(entity.half_lives)
    return (
        f"| `{entity.name}` | {entity.meaning} | {key} | {half_lives} | {prices} | {days:.1f} d |"
    )


def _every_feature(specification: Specification) -> Iterator[str]:
    yield "## Every feature"
    yield ""
    yield "| feature | meaning | entity | half-life | where nothing is known | owner |"
    yield "|---|---|---|---|---|---|"
    for entry in entries(specification):
        unused = " (only to derive others from)" if entry.name in specification.unused else ""
        meaning = f"{entry.meaning}{unused}"
        cells = (meaning, entry.entity, entry.half_life, entry.default, entry.owner)
        yield f"| `{entry.name}` | {' | '.join(cell or '-' for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(render(SPECIFICATION))
