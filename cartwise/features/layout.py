"""A specification turned into the small integer arrays that the compiled kernel walks over."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwise.events import EVENT_TYPES
from cartwise.features.spec import (
    FACTS,
    LANDMARK_SECONDS,
    Derived,
    Entity,
    LogRatio,
    Rate,
    Specification,
    seconds_of,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RATE, SUM, LOG_RATIO = 0, 1, 2
"""Codes of the derived features' formulas in a :class:`Program`."""

CONSTANT = -1
"""A rate's prior that is a number and not another value."""


class Clock(NamedTuple):
    """The half-lives that a specification uses: their lengths, and how many fit a landmark."""

    half_life_seconds: Ints
    periods_per_landmark: Ints


class StateLayout(NamedTuple):
    """Where an entity's state keeps what.

    A state is one float64 array: the landmark's index, then a block per event type of
    [counters by half-life | latest time | (sum of log price, weight) by price]. So an event
    writes to the head and to one block. Arrays of two dimensions go by event type first.
    """

    width: int
    readings: int
    time_to_live_seconds: int
    half_lives: Ints
    block: Ints
    recency: Ints
    prices: Ints
    price_half_lives: Ints


class Program(NamedTuple):
    """The derived features: a formula's code, and its operands ``start[i]:start[i + 1]``."""

    codes: Ints
    start: Ints
    operands: Ints
    factors: Floats


class Plan(NamedTuple):
    """All that the kernel needs to know of a specification.

    ``offsets[i]`` is the place of the first reading of entity ``i`` among the values; ``vector``
    picks the model's inputs from the values.
    """

    clock: Clock
    entities: tuple[StateLayout, ...]
    offsets: Ints
    program: Program
    values: int
    vector: Ints


@lru_cache(maxsize=8)
def plan_of(specification: Specification) -> Plan:
    """Lay a specification out for the kernel."""
    clock = _clock(specification)
    entities = tuple(_state_layout(entity, specification) for entity in specification.entities)
    widths = [len(FACTS), *(layout.readings for layout in entities)]
    picked = [specification.values.index(name) for name in specification.vector]
    return Plan(
        clock,
        entities,
        np.cumsum(widths)[:-1].astype(np.int64),
        _program(specification),
        len(specification.values),
        np.array(picked, dtype=np.int64),
    )


def part_of(layout: StateLayout, event: int) -> StateLayout:
    """The layout of what one type of events leaves in a state, kept as a state by itself.

    Its only type of events has the code 0. Most states hold nothing but views: kept part by part,
    they take no room for what they do not hold.
    """
    counters, prices = len(layout.half_lives), int(layout.prices[event])
    return StateLayout(
        1 + counters + 1 + 2 * prices,
        counters + 1 + prices,
        layout.time_to_live_seconds,
        layout.half_lives,
        np.ones(1, dtype=np.int64),
        np.full(1, 1 + counters, dtype=np.int64),
        layout.prices[event : event + 1].copy(),
        layout.price_half_lives[event : event + 1].copy(),
    )


def _clock(specification: Specification) -> Clock:
    seconds = np.array([seconds_of(name) for name in specification.half_lives], dtype=np.int64)
    return Clock(seconds, LANDMARK_SECONDS // seconds)


def _state_layout(entity: Entity, specification: Specification) -> StateLayout:
    counters = len(entity.half_lives)
    prices = [entity.prices_of(event) for event in EVENT_TYPES]
    lengths = [counters + 1 + 2 * len(of_event) for of_event in prices]
    block = 1 + np.cumsum([0, *lengths]).astype(np.int64)
    price_half_lives = np.zeros((len(EVENT_TYPES), max(map(len, prices)) or 1), dtype=np.int64)
    for row, of_event in zip(price_half_lives, prices, strict=True):
        row[: len(of_event)] = [specification.half_lives.index(p.half_life) for p in of_event]
    return StateLayout(
        int(block[-1]),
        sum(1 for _ in entity.readings()),
        entity.time_to_live_seconds,
        np.array([specification.half_lives.index(name) for name in entity.half_lives]),
        block[:-1],
        block[:-1] + counters,
        np.array([len(of_event) for of_event in prices]),
        price_half_lives,
    )


def _program(specification: Specification) -> Program:
    place = {name: i for i, name in enumerate(specification.values)}
    compiled = [_compile(derived, place) for derived in specification.derived]
    start = np.cumsum([0, *(len(operands) for _, operands, _ in compiled)])
    return Program(
        np.array([code for code, _, _ in compiled], dtype=np.int64),
        start.astype(np.int64),
        np.array([i for _, operands, _ in compiled for i in operands], dtype=np.int64),
        np.array([f for _, _, factors in compiled for f in factors], dtype=np.float64),
    )


def _compile(derived: Derived, place: dict[str, int]) -> tuple[int, list[int], list[float]]:
    if isinstance(derived, Rate):
        named = isinstance(derived.prior, str)
        prior = place[str(derived.prior)] if named else CONSTANT
        constant = 0.0 if named else float(derived.prior)
        operands = [place[derived.hits], place[derived.trials], prior]
        return RATE, operands, [derived.strength, 0.0, constant]
    if isinstance(derived, LogRatio):
        return LOG_RATIO, [place[derived.over], place[derived.under]], [derived.floor, 0.0]
    names, factors = zip(*derived.terms, strict=True)
    return SUM, [place[name] for name in names], list(factors)


def log_prices(prices: Floats) -> Floats:
    """Natural logarithms of prices, NaN where a price is zero: unknown."""
    logarithms = np.full(len(prices), np.nan)
    np.log(prices, out=logarithms, where=prices > 0)
    return logarithms
