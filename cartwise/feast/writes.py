"""Feature rows turned back into states, as ``feast materialize`` hands them over."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

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
from cartwise.store import Merge, Store

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
"""A key, its features, the moment at which they are right, and when the row was made."""

AT_A_TIME: Final = 10_000


class StateWriter:
    """Replaces states of a store by those that read as some rows do."""

    def __init__(self, specification: Specification, store: Store) -> None:
        self._specification = specification
        self._packing = Packing(specification)
        self._keys = KeyMaker(specification)
        self._store = store

    def write(self, view: FeatureView, rows: Sequence[Row]) -> None:
        """Write rows of a view; of a key's rows the latest counts, and a newer state stays.

        What is written is the difference to the state that is there, which the store adds at
        once: so what a stream adds meanwhile is not lost.

        Raises:
            EntityRowsUnusable: a row lacks a key or a feature.
        """
        entity = entity_of(view)
        place = self._specification.entities.index(entity)
        latest = self._latest(place, rows)
        for start in range(0, len(latest), AT_A_TIME):
            chosen = dict(list(latest.items())[start : start + AT_A_TIME])
            values = _values(names_of(entity), list(chosen.values()))
            times = np.array([_second(row) for row in chosen.values()], dtype=np.int64)
            self._write(place, list(chosen), values, times)

    def _latest(self, place: int, rows: Sequence[Row]) -> dict[bytes, Row]:
        latest: dict[bytes, Row] = {}
        for row in rows:
            key = self._keys.keys(values_of(row[0])).get(place)
            if key is None:
                raise EntityRowsUnusable(f"a row to be written has no complete key: {row[0]}")
            if key not in latest or _second(latest[key]) <= _second(row):
                latest[key] = row
        return latest

    def _write(self, place: int, keys: Sequence[bytes], values: Readings, times: Rows) -> None:
        plan = self._packing.plan
        layout = plan.entities[place]
        states = self._packing.unpack(place, self._store.read(keys))
        current = states[:, layout.recency].max(axis=1) <= times
        deltas = np.empty_like(states)
        missing_rows(values, layout, plan.clock, times, states, deltas)
        packed = self._packing.pack(place, deltas)
        chosen = zip(keys, packed, current, strict=True)
        self._store.merge(Merge({key: delta for key, delta, now in chosen if now}, ()))


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
