"""Probes: states of chosen entities read at chosen moments of a log, in one walk over it.

A replay keeps the states of all entities and reads those of an event right after it. Here the keys
are known beforehand: only their states are kept, and they are read whenever it is asked for. So
memory follows from the number of probes, however long the log is.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.features.keys import KeyColumn, KeyColumns
from cartwise.features.layout import plan_of
from cartwise.features.probe import apply_and_probe
from cartwise.features.replay import THREADS, Rows, log_prices_of, times_of
from cartwise.features.spec import Entity, Specification
from cartwise.features.table import StateTable
from cartwise.features.walk import weigh_all

Readings = NDArray[np.float64]
"""Shape (probes, readings): an entity's readings, then for each of its mean prices the sum of log
prices and its weight."""


@dataclass(frozen=True)
class Probed:
    """What is asked of one entity: its states, and which of them each probe reads, -1 for none."""

    entity: Entity
    table: StateTable
    rows: Rows
    out: Readings


@dataclass(frozen=True)
class Weighed:
    """A batch of events as arrays; ``powers[i]`` is what event i weighs, by half-life."""

    columns: KeyColumns
    times: Rows
    kinds: Rows
    log_prices: NDArray[np.float64]
    powers: NDArray[np.float64]


class ProbeWalk:
    """A walk over a log that reads states at probes.

    Args:
        specification: what the features are.
        questions: entities, and for each who is read: shape (probes, key columns), with the log's
            column names and types. A probe without a value in a key column reads nothing: NaN.
        times: when each probe reads, in seconds since the Unix epoch.
    """

    def __init__(
        self,
        specification: Specification,
        questions: Sequence[tuple[Entity, pl.DataFrame]],
        times: Rows,
    ) -> None:
        self._plan = plan_of(specification)
        self._times = times
        self._names = sorted({name for entity, _ in questions for name in entity.key})
        self._layouts = dict(zip(specification.entities, self._plan.entities, strict=True))
        self._probed = [self._ask(entity, keys) for entity, keys in questions]
        # Pairs are the most of the work: begun first, they keep no thread waiting at the end.
        self._by_effort = sorted(self._probed, key=lambda one: -len(one.entity.key))
        self._pool = ThreadPoolExecutor(THREADS)

    def advance(self, events: pl.DataFrame, probes: Rows, positions: Rows) -> None:
        """Apply events, which continue the log, and read ``probes`` on the way.

        ``probes[i]`` is read after the first ``positions[i]`` of these events; positions ascend.
        """
        batch = self._weigh(events)
        tasks = [
            partial(self._walk, probed, batch, probes, positions) for probed in self._by_effort
        ]
        for done in [self._pool.submit(task) for task in tasks]:
            done.result()

    def readings(self) -> list[Readings]:
        """What the probes have read, by question."""
        return [probed.out for probed in self._probed]

    def _ask(self, entity: Entity, keys: pl.DataFrame) -> Probed:
        layout = self._layouts[entity]
        table = StateTable(layout, self._plan.clock)
        columns = KeyColumns(len(self._times), {n: KeyColumn.of(keys[n]) for n in entity.key})
        rows = table.locate(*columns.keys(entity), 0)
        width = layout.readings + 2 * len(entity.prices)
        return Probed(entity, table, rows, np.full((len(rows), width), np.nan))

    def _weigh(self, events: pl.DataFrame) -> Weighed:
        times = times_of(events)
        kinds = events["event_type"].to_physical().cast(pl.Int64).to_numpy()
        powers = np.empty((len(times), len(self._plan.clock.half_life_seconds)))
        weigh_all(self._plan.clock, times, powers)
        columns = KeyColumns.of(events, self._names)
        return Weighed(columns, times, kinds, log_prices_of(events), powers)

    def _walk(self, probed: Probed, batch: Weighed, probes: Rows, positions: Rows) -> None:
        apply_and_probe(
            probed.table.states,
            probed.table.layout,
            probed.table.clock,
            probed.table.find(*batch.columns.keys(probed.entity)),
            batch.times,
            batch.kinds,
            batch.log_prices,
            batch.powers,
            probed.rows[probes],
            self._times[probes],
            positions,
            probes,
            probed.out,
        )
