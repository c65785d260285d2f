"""What became of carts, as far as the store can tell: it knows the latest purchase of each pair."""

from collections.abc import Sequence
from typing import Final, Literal

from cartwise.events import EVENT_TYPES
from cartwise.features.live import Live
from cartwise.serving.freshness import FreshnessReader
from cartwise.serving.scorer import Reads, Scored

Outcome = Literal["bought", "not bought", "open", "unknown"]

PURCHASE: Final = EVENT_TYPES.index("purchase")
_PAIR: Final = ("user_id", "product_id")


class Outcomes:
    """Tells what became of carts, in one round trip for all of them."""

    def __init__(self, live: Live, store: Reads) -> None:
        self._live = live
        self._store = store
        self._reader = FreshnessReader(live.packing)
        keys = [entity.key for entity in live.packing.specification.entities]
        self._pair, self._shop = keys.index(_PAIR), keys.index(())

    async def of(self, scored: Sequence[Scored]) -> list[Outcome]:
        """The outcome of each cart; all are unknown while the store is away."""
        if not scored:
            return []
        keys = [self._keys(one) for one in scored]
        states = await self._store.read([keys[0][self._shop], *(own[self._pair] for own in keys)])
        if states is None:
            return ["unknown"] * len(scored)
        now = max(self._reader.latest(self._shop, states[0]).values(), default=0.0)
        return [self._of(one, state, now) for one, state in zip(scored, states[1:], strict=True)]

    def _keys(self, scored: Scored) -> dict[int, bytes]:
        return {key[0]: key for key in self._live.keys(scored.event)}

    def _of(self, scored: Scored, pair: bytes | None, now: float) -> Outcome:
        carted = scored.event.time
        due = carted + scored.model.bundle.spec.horizon_seconds
        bought = self._reader.latest(self._pair, pair).get(PURCHASE, 0.0)
        if carted <= bought <= due:
            return "bought"
        if bought > due:
            # The store knows the latest purchase only: one before it may have been in time.
            return "unknown"
        return "not bought" if now > due else "open"
