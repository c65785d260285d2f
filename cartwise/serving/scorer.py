"""The hot path: one cart event, one round trip to the store, one probability."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import DamagedState, FingerprintMismatch
from cartwise.features.live import CART, Live, LiveEvent
from cartwise.serving.freshness import UNKNOWN, Freshness, FreshnessReader
from cartwise.serving.models import Model, Pair
from cartwise.serving.schemas import CartEvent

States = Sequence[bytes | None]
Vector = NDArray[np.float32]

CHUNK: Final = 50
"""Carts of a batch that are read in one round trip, and scored before others get their turn."""


_FIRST: Final = LiveEvent(0, CART, 0, 0, "", "", 1.0, 0, "")


class Reads(Protocol):
    """A store that may be away."""

    trouble: str | None

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None] | None:
        """The packed state of each key, None where there is none; None for all: it is away."""
        ...


class Scored(NamedTuple):
    """A cart with what came of it. ``fresh`` is None where the store was away."""

    event: LiveEvent
    vector: Vector
    probability: float
    expected_value: float
    threshold: float
    reckoned_price: float
    model: Model
    shadow: tuple[Model, float] | None
    fresh: Freshness | None


class Scorer:
    """Scores carts with the features of one specification."""

    def __init__(self, live: Live, store: Reads) -> None:
        self._live = live
        self._store = store
        self._freshness = FreshnessReader(live.packing)

    def warm_up(self) -> None:
        """Let everything compile that compiles on its first call, before somebody waits for it."""
        keys = self._live.keys(_FIRST)
        self._vector(_FIRST, keys, [None] * len(keys))

    async def score(self, event: LiveEvent, pair: Pair) -> Scored:
        """Score one cart."""
        keys = self._live.keys(event)
        return self._scored(event, keys, await self._store.read(keys), pair)

    async def latest_event(self) -> float | None:
        """When the shop's latest event was, as the store knows; None where it knows of none."""
        keys = self._live.keys(_FIRST)
        _, fresh = self._vector(_FIRST, keys, await self._store.read(keys))
        return (fresh or UNKNOWN).last_event

    async def score_all(self, events: Sequence[LiveEvent], pair: Pair) -> list[Scored]:
        """Score carts, each by itself, in chunks between which other requests get their turn."""
        scored: list[Scored] = []
        for start in range(0, len(events), CHUNK):
            scored += await self._score_chunk(events[start : start + CHUNK], pair)
        return scored

    async def _score_chunk(self, events: Sequence[LiveEvent], pair: Pair) -> list[Scored]:
        keys = [self._live.keys(event) for event in events]
        states = await self._store.read([key for own in keys for key in own])
        scored, start = [], 0
        for event, own in zip(events, keys, strict=True):
            part = None if states is None else states[start : start + len(own)]
            scored.append(self._scored(event, own, part, pair))
            start += len(own)
        return scored

    def _scored(
        self, event: LiveEvent, keys: Sequence[bytes], states: States | None, pair: Pair
    ) -> Scored:
        vector, fresh = self._vector(event, keys, states)
        row = vector[None, :]
        champion, challenger = pair
        probability = float(champion.bundle.score(row)[0])
        policy = champion.bundle.policy
        price = event.price or policy.reference_price
        return Scored(
            event,
            vector,
            probability,
            policy.economics.value_of(probability, price),
            policy.economics.threshold(price),
            price,
            champion,
            (challenger, float(challenger.bundle.score(row)[0])) if challenger else None,
            fresh,
        )

    def _vector(
        self, event: LiveEvent, keys: Sequence[bytes], states: States | None
    ) -> tuple[Vector, Freshness | None]:
        """The vector; from the event alone where there are no states, or none that can be read."""
        if states is not None:
            try:
                return self._live.vector(event, states), self._freshness.of(event, keys, states)
            except (DamagedState, FingerprintMismatch) as error:
                self._store.trouble = str(error)
        return self._live.vector(event, [None] * len(keys)), None


def live_event(cart: CartEvent, seconds: int) -> LiveEvent:
    """A cart as the feature core takes it; empty text is none, as in the log."""
    return LiveEvent(
        seconds,
        CART,
        cart.product_id,
        cart.category_id,
        cart.category_code or None,
        cart.brand or None,
        cart.price or 0.0,
        cart.user_id,
        cart.user_session or None,
    )


def age_seconds(scored: Scored) -> float | None:
    """From the latest event in the store to the cart; None where that is not known."""
    last = (scored.fresh or UNKNOWN).last_event
    return None if last is None else scored.event.time - last
