"""The server-side functions of a Redis store, written for one specification.

The library's name has a digest of its whole text. So servers may hold those of several versions
and specifications beside each other, and a function is never another one than was meant.
"""

import hashlib
from importlib import resources
from typing import Final

from cartwise.events import EVENT_TYPES
from cartwise.features.layout import Plan, plan_of
from cartwise.features.spec import Specification
from cartwise.store.protocol import SLACK_SECONDS

_TIME: Final = 0
"""Stands for a block's latest time among its slots; others are periods per landmark."""


def library_of(specification: Specification) -> tuple[str, str]:
    """Name and text of the library."""
    body = _prelude(specification)
    body += resources.files("cartwise.store").joinpath("functions.lua").read_text()
    name = f"cartwise_{hashlib.sha256(body.encode()).hexdigest()[:16]}"
    return name, f"#!lua name={name}\nlocal NAME = '{name}'\n{body}"


def _prelude(specification: Specification) -> str:
    plan = plan_of(specification)
    entities = [_blocks(plan, place) for place in range(len(plan.entities))]
    fingerprint = "".join(f"\\{byte:03d}" for byte in bytes.fromhex(specification.fingerprint))
    lines = [
        f"local FINGERPRINT = '{fingerprint}'",
        "local BLOCKS = {",
        *sorted({_block(slots) for blocks in entities for slots in blocks}),
        "}",
        "local ENTITIES = {",
        *(_entity(plan, place, blocks) for place, blocks in enumerate(entities)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _blocks(plan: Plan, place: int) -> list[tuple[int, ...]]:
    """Per event type, how many half-lives each slot of its block loses in one landmark."""
    layout, periods = plan.entities[place], plan.clock.periods_per_landmark
    blocks = []
    for event in range(len(EVENT_TYPES)):
        prices = layout.price_half_lives[event, : layout.prices[event]]
        sums = [int(periods[half_life]) for half_life in prices for _ in ("log_price", "weight")]
        counters = [int(periods[half_life]) for half_life in layout.half_lives]
        blocks.append((*counters, _TIME, *sums))
    return blocks


def _entity(plan: Plan, place: int, blocks: list[tuple[int, ...]]) -> str:
    kept = plan.entities[place].time_to_live_seconds + SLACK_SECONDS
    named = ", ".join(f"BLOCKS.{_name(slots)}" for slots in blocks)
    return f"  [{place}] = {{kept_seconds = '{kept}', shapes = {{}}, blocks = {{{named}}}}},"


def _name(slots: tuple[int, ...]) -> str:
    return "of_" + "_".join(map(str, slots))


def _block(slots: tuple[int, ...]) -> str:
    """A block's size and functions, written out: Lua's tables would take most of the time."""
    form = f"'<{'d' * len(slots)}'"
    ours, theirs = ([f"{side}{i}" for i in range(len(slots))] for side in "ab")
    added = [
        f"{a} > {b} and {a} or {b}" if slot == _TIME else f"{a} + {b}"
        for a, b, slot in zip(ours, theirs, slots, strict=True)
    ]
    moved = [
        a if slot == _TIME else f"math.ldexp({a}, {slot} * landmarks)"
        for a, slot in zip(ours, slots, strict=True)
    ]
    return f"""  {_name(slots)} = {{
    bytes = {8 * len(slots)},
    add = function(one, p, other, q)
      local {", ".join(ours)} = struct.unpack({form}, one, p)
      local {", ".join(theirs)} = struct.unpack({form}, other, q)
      return struct.pack({form}, {", ".join(added)})
    end,
    move = function(one, p, landmarks)
      local {", ".join(ours)} = struct.unpack({form}, one, p)
      return struct.pack({form}, {", ".join(moved)})
    end,
  }},"""
