"""What stored states say, for people: values by name, as of one moment, and keys as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from cartwise.events import EVENT_TYPES
from cartwise.features.layout import Floats
from cartwise.features.moment import NUMBERS
from cartwise.features.packed import Packing, unpack_keys
from cartwise.features.probe import read_rows
from cartwise.features.spec import Entity
from cartwise.store.protocol import States, Store

_SUMS: Final = ("sum", "weight")


class Group(NamedTuple):
    """Some states of one entity."""

    entity: int
    keys: list[bytes]
    states: list[bytes | None]


def grouped(states: Mapping[bytes, bytes | None]) -> Iterator[Group]:
    """States by entity."""
    for entity in sorted({key[0] for key in states}):
        keys = [key for key in states if key[0] == entity]
        yield Group(entity, keys, [states[key] for key in keys])


def names_of(entity: Entity) -> list[str]:
    """What :func:`read_group` reads, without the entity's name."""
    readings = [name.removeprefix(f"{entity.name}_") for name in entity.readings()]
    sums = [
        f"{event}_log_price_{price.half_life}_{part}"
        for event in EVENT_TYPES
        for price in entity.prices_of(event)
        for part in _SUMS
    ]
    return [*readings, *sums]


def read_group(packing: Packing, group: Group, time: int) -> tuple[Floats, Floats]:
    """Values of states at ``time``, shape (states, names), and the time of each's last event."""
    layout = packing.plan.entities[group.entity]
    dense = packing.unpack(group.entity, group.states)
    names = names_of(packing.specification.entities[group.entity])
    values, last = np.empty((len(dense), len(names))), np.empty(len(dense))
    read_rows(dense, layout, packing.plan.clock, time, values, last)
    return values, last


def text_of_keys(packing: Packing, group: Group) -> list[str]:
    """Keys as people know them: numbers in digits, hashes of text in hex digits, ``:`` between."""
    columns = packing.specification.entities[group.entity].key
    high, low = unpack_keys(group.keys)[1].T
    match [name in NUMBERS for name in columns]:
        case []:
            return [""] * len(group.keys)
        case [True]:
            return list(map(str, low.view(np.int64).tolist()))
        case [True, True]:
            pairs = zip(high.view(np.int64).tolist(), low.view(np.int64).tolist(), strict=True)
            return [f"{one}:{other}" for one, other in pairs]
        case [True, False]:
            pairs = zip(high.view(np.int64).tolist(), low.tolist(), strict=True)
            return [f"{one}:{other:016x}" for one, other in pairs]
    return [
        f"{one:016x}{other:016x}" for one, other in zip(high.tolist(), low.tolist(), strict=True)
    ]


def latest_event(packing: Packing, *stores: Store) -> int:
    """Latest time of an event that the stores hold, 0 if they hold none."""
    latest = max((p.watermark for store in stores for p in store.positions().values()), default=0)
    if latest:
        return latest
    return max((_latest(packing, some) for store in stores for some in store.scan()), default=0)


def _latest(packing: Packing, states: States) -> int:
    keys, packed = _columns(states)
    return int(packing.last_events(keys, packed).max(initial=0))


def _columns(states: States) -> tuple[Sequence[bytes], Sequence[bytes]]:
    return [key for key, _ in states], [state for _, state in states]
