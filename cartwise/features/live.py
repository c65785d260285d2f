"""The feature core on packed states, event by event: what serving and stream share.

The *request* driver takes one cart event and the states that a store has of its keys; the *stream*
driver (:mod:`cartwise.features.live_batch`) takes a batch of events in the order of arrival.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import DamagedState
from cartwise.events import EVENT_TYPES
from cartwise.features.layout import Ints
from cartwise.features.moment import KEY_COLUMNS, TEXTS, keys_of, vector_of
from cartwise.features.packed import KEY_BYTES, Packing
from cartwise.features.spec import Specification

CART: Final = EVENT_TYPES.index("cart")

WITNESSES: Final = (("user_session", "product_id"), ("user_id", "product_id"))
"""Keys of the entities whose state tells whether a store has seen a cart: the first known one."""

Vector = NDArray[np.float32]


class LiveEvent(NamedTuple):
    """One event; ``time`` is in seconds since the Unix epoch, ``kind`` a code of its type."""

    time: int
    kind: int
    product_id: int
    category_id: int | None
    category_code: str | None
    brand: str | None
    price: float
    user_id: int
    user_session: str | None


class Live:
    """Keys and vectors of events of one specification; may be shared by threads."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.packing = Packing(specification)
        keys = [entity.key for entity in specification.entities]
        self._columns = _columns(keys)
        self._needed = np.array([_mask(key) for key in keys], dtype=np.int64)
        self._hashed = tuple(name in {part for key in keys for part in key} for name in TEXTS)
        self._empty = self.packing.fingerprint + bytes(8)
        plan = self.packing.plan
        ends = np.append(plan.offsets, plan.values - len(plan.program.codes))
        witnesses = np.array([keys.index(key) for key in WITNESSES if key in keys], dtype=np.int64)
        self._facts = (
            self.packing.layouts, plan.clock, plan.program, ends, plan.vector, witnesses,
            self._needed, self.packing.word,
        )  # fmt: skip

    def keys(self, event: LiveEvent) -> list[bytes]:
        """Keys of an event in the order of entities, those that it has no value for left out."""
        code, brand, session = self._texts(event)
        found = keys_of(
            self._columns, self._needed, _known(event), event.product_id, event.category_id or 0,
            event.user_id, code, brand, session,
        )  # fmt: skip
        data = found.tobytes()
        return [data[place : place + KEY_BYTES] for place in range(0, len(data), KEY_BYTES)]

    def vector(self, event: LiveEvent, states: Sequence[bytes | None]) -> Vector:
        """The model's vector right after an event, shape (features,).

        ``states`` are those of :meth:`keys`, None where the store has none. If they do not hold
        the event yet, it is applied to a copy of them. They are read at the event's time, or at
        their own last event if that is later.

        Raises:
            FingerprintMismatch: a state was made with another specification.
            DamagedState: a state is none of its key's entity.
        """
        words = np.frombuffer(b"".join([state or self._empty for state in states]), dtype="<u8")
        log_price = float(np.log(event.price)) if event.price > 0 else np.nan
        vector: Vector = vector_of(
            *self._facts, words, _known(event), event.kind, event.time, log_price
        )
        if not len(vector):
            self._refuse(event, states)
        return vector

    def _texts(self, event: LiveEvent) -> list[bytes]:
        texts = (event.category_code, event.brand, event.user_session)
        return [
            text.encode() if text and hashed else b""
            for text, hashed in zip(texts, self._hashed, strict=True)
        ]

    def _refuse(self, event: LiveEvent, states: Sequence[bytes | None]) -> None:
        for key, state in zip(self.keys(event), states, strict=True):
            self.packing.unpack(key[0], [state])
        raise DamagedState("the states are not those of the event's keys")


def _columns(keys: Sequence[tuple[str, ...]]) -> Ints:
    places = [[KEY_COLUMNS.index(name) for name in key] for key in keys]
    return np.array([[*place, -1, -1][:2] for place in places], dtype=np.int64)


def _mask(names: Sequence[str]) -> int:
    return sum(1 << KEY_COLUMNS.index(name) for name in names)


def _known(event: LiveEvent) -> int:
    return (
        0b101
        | (event.category_id is not None) << 1
        | (event.category_code is not None) << 3
        | (event.brand is not None) << 4
        | (event.user_session is not None) << 5
    )
