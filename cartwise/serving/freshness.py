"""How fresh the states are that an answer rests on, straight from their packed form."""

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from cartwise.events import EVENT_TYPES
from cartwise.features.live import CART, WITNESSES, LiveEvent
from cartwise.features.packed import HEAD_BYTES, Packing

_DOUBLE: Final = struct.Struct("<d")
_MASK: Final = struct.Struct("<I")
_MASK_AT: Final = HEAD_BYTES - 4


class Freshness(NamedTuple):
    """What the states of a cart say of time.

    Attributes:
        last_event: of the shop as a whole, in seconds since the Unix epoch; None: there is none.
        seen: whether the states hold this cart already.
    """

    last_event: float | None
    seen: bool


UNKNOWN: Final = Freshness(None, seen=False)


class FreshnessReader:
    """Reads packed states of one specification."""

    def __init__(self, packing: Packing) -> None:
        keys = [entity.key for entity in packing.specification.entities]
        self._shop = keys.index(()) if () in keys else -1
        self._witnesses = [keys.index(key) for key in WITNESSES if key in keys]
        layouts = packing.layouts
        self._recency = (8 * (layouts.recency - layouts.block)).tolist()
        self._sizes = (8 * (layouts.ends - layouts.block)).tolist()

    def of(
        self, event: LiveEvent, keys: Sequence[bytes], states: Sequence[bytes | None]
    ) -> Freshness:
        """What these states, of the event's keys, say."""
        by_entity = {key[0]: state for key, state in zip(keys, states, strict=True)}
        times = self.latest(self._shop, by_entity.get(self._shop)).values()
        return Freshness(max(times, default=None), self._has_seen(event, by_entity))

    def latest(self, entity: int, state: bytes | None) -> dict[int, float]:
        """The event types that a state has seen, each with its latest time in seconds."""
        return dict(self._latest(entity, state))

    def _has_seen(self, event: LiveEvent, states: dict[int, bytes | None]) -> bool:
        for entity in self._witnesses:
            if entity in states:
                return self.latest(entity, states[entity]).get(CART, -math.inf) >= event.time
        return False

    def _latest(self, entity: int, state: bytes | None) -> Iterator[tuple[int, float]]:
        """The event types that a state has seen, each with its latest time."""
        if state is None:
            return
        (mask,) = _MASK.unpack_from(state, _MASK_AT)
        place = HEAD_BYTES
        for kind in range(len(EVENT_TYPES)):
            if mask >> kind & 1:
                yield kind, _DOUBLE.unpack_from(state, place + self._recency[entity][kind])[0]
                place += self._sizes[entity][kind]
