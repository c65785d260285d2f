"""Feature rows turned back into states, as ``feast materialize`` hands them over."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

import numpy as np
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import make_tzaware

from cartwise.feast.answers import values_of
from cartwise.feast.errors import EntityRowsUnusable
from cartwise.feast.keys import KeyMaker
from cartwise.feast.projections import entity_of, names_of
from cartwise.features.packed import Packing
from cartwise.features.probe import missing_rows
from cartwise.features.probes import Readings
from cartwise.features.replay import Rows
from cartwise.features.spec import Specification
from cartwise.store import Replacement, Store

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
"""A key, its features, the moment at which they are right, and when the row was made."""

AT_A_TIME: Final = 10_000

Thing = TypeVar("Thing")


class StateWriter:
    """Replaces states of a store by those that read as some rows do."""

    def __init__(self, specification: Specification, store: Store) -> None:
        self._specification = specification
        self._packing = Packing(specification)
        self._keys = KeyMaker(specification)
        self._store = store

    def write(self, view: FeatureView, rows: Sequence[Row]) -> None:
        """Write rows of a view; of a key's rows the latest counts, and a newer state stays.

        A state is replaced only where it is still the one that was compared with the row: whoever
        writes to it meanwhile, a stream or another materialization, neither is lost nor counted
        twice.

        Raises:
            EntityRowsUnusable: a row lacks a key or a feature.
        """
        entity = entity_of(view)
        place = self._specification.entities.index(entity)
        latest = list(self._latest(place, rows).items())
        for start in range(0, len(latest), AT_A_TIME):
            chosen = dict(latest[start : start + AT_A_TIME])
            values = _values(names_of(entity), list(chosen.values()))
            times = np.array([_second(row) for row in chosen.values()], dtype=np.int64)
            states = self._states(place, values, times)
            self._replace(place, _by_key(chosen, states), _by_key(chosen, times.tolist()))

    def _latest(self, place: int, rows: Sequence[Row]) -> dict[bytes, Row]:
        latest: dict[bytes, Row] = {}
        for row in rows:
            key = self._keys.keys(values_of(row[0])).get(place)
            if key is None:
                raise EntityRowsUnusable(f"a row to be written has no complete key: {row[0]}")
            if key not in latest or _second(latest[key]) <= _second(row):
                latest[key] = row
        return latest

    def _states(self, place: int, values: Readings, times: Rows) -> list[bytes]:
        """The states that read as these values at these times."""
        plan = self._packing.plan
        nothing = self._packing.unpack(place, [None] * len(values))
        states = np.empty_like(nothing)
        missing_rows(values, plan.entities[place], plan.clock, times, nothing, states)
        return self._packing.pack(place, states)

    def _replace(
        self, place: int, states: Mapping[bytes, bytes], seconds: Mapping[bytes, int]
    ) -> None:
        waiting = list(states)
        while waiting:
            olds = self._store.read(waiting)
            found = zip(waiting, olds, self._last_events(place, olds), strict=True)
            waiting = self._store.replace(
                [
                    Replacement(key, old, states[key])
                    for key, old, last in found
                    if last <= seconds[key]
                ]
            )

    def _last_events(self, place: int, packed: Sequence[bytes | None]) -> list[float]:
        """When the last event of each state was, -inf for none."""
        recency = self._packing.plan.entities[place].recency
        latest: list[float] = self._packing.unpack(place, packed)[:, recency].max(axis=1).tolist()
        return latest


def _by_key(keys: Iterable[bytes], things: Iterable[Thing]) -> dict[bytes, Thing]:
    return dict(zip(keys, things, strict=True))


def _values(names: Sequence[str], rows: Sequence[Row]) -> Readings:
    """Shape (rows, readings); missing is NaN."""
    try:
        columns = [[_number(features[name]) for _, features, _, _ in rows] for name in names]
    except KeyError as error:
        raise EntityRowsUnusable(
            f"a row to be written lacks the feature {error}: a state is made of all of its view"
        ) from error
    return np.array(columns, dtype=np.float64).T.copy()


def _number(value: Value) -> float:
    number: float = value.double_val if value.HasField("double_val") else math.nan
    return number


def _second(row: Row) -> int:
    seconds: float = make_tzaware(row[2]).timestamp()
    return math.floor(seconds)
