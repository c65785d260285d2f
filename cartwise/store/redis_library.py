"""The server-side functions of a Redis store, written for one specification.

The library's name has a digest of its whole text. So servers may hold those of several versions
and specifications beside each other, and a function is never another one than was meant.
"""

import hashlib
from collections.abc import Iterator
from importlib import resources
from typing import Final

from cartwise.events import EVENT_TYPES, SECONDS_PER_DAY
from cartwise.features.layout import Plan, plan_of
from cartwise.features.spec import Specification

SLACK_SECONDS: Final = 7 * SECONDS_PER_DAY
"""Redis counts by the clock, features by event time: a stream may be so far behind before keys
go that it could still see."""


def library_of(specification: Specification) -> tuple[str, str]:
    """Name and text of the library."""
    plan = plan_of(specification)
    body = "\n".join(
        [
            f"local FINGERPRINT = {_text(bytes.fromhex(specification.fingerprint))}",
            f"local FORMATS = {{{', '.join(_formats(plan))}}}",
            "local ENTITIES = {",
            *(f"  [{place}] = {_entity(plan, place)}," for place in range(len(plan.entities))),
            "}",
            resources.files("cartwise.store").joinpath("functions.lua").read_text(),
        ]
    )
    name = f"cartwise_{hashlib.sha256(body.encode()).hexdigest()[:16]}"
    return name, f"#!lua name={name}\nlocal NAME = '{name}'\n{body}"


def _text(data: bytes) -> str:
    return "'" + "".join(f"\\{byte:03d}" for byte in data) + "'"


def _formats(plan: Plan) -> Iterator[str]:
    places = range(len(plan.entities))
    longest = max(len(slots) for place in places for slots in _blocks(plan, place))
    for size in range(1, longest + 1):
        yield f"'<{'d' * size}'"


def _entity(plan: Plan, place: int) -> str:
    kept = plan.entities[place].time_to_live_seconds + SLACK_SECONDS
    blocks = ", ".join(f"{{{', '.join(map(str, slots))}}}" for slots in _blocks(plan, place))
    return f"{{kept_seconds = '{kept}', sizes = {{}}, blocks = {{{blocks}}}}}"


def _blocks(plan: Plan, place: int) -> list[list[int]]:
    """Per event type, what each slot of its block moves by when the landmark does."""
    layout, periods = plan.entities[place], plan.clock.periods_per_landmark
    blocks = []
    for event in range(len(EVENT_TYPES)):
        prices = layout.price_half_lives[event, : layout.prices[event]]
        sums = [int(periods[half_life]) for half_life in prices for _ in ("log_price", "weight")]
        blocks.append([*(int(periods[half_life]) for half_life in layout.half_lives), 0, *sums])
    return blocks
