"""The training set: one row per cart whose outcome is known, parted by time, without the future.

Layout: ``manifest.json``; ``<part>/YYYY-MM-DD.parquet`` for every part and day that has carts;
``left_out/<reason>/YYYY-MM-DD.parquet`` with the carts that no part may hold; ``states/`` with the
states at the end of the log. Every vector is stored once, so that a log that grew by a day costs a
replay of that day, not of its history.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from cartwise import folders
from cartwise.ahead import map_ahead
from cartwise.checksums import SUMS
from cartwise.data.canary import check_canary
from cartwise.data.day_files import (
    DayFiles,
    DayOutcome,
    carts_table,
    read_carts,
)
from cartwise.data.known_outages import known_outages
from cartwise.data.labels import LabelSettings
from cartwise.data.log import Log
from cartwise.data.manifest import Manifest, describe, write_manifest
from cartwise.data.outcomes import Outcomes
from cartwise.data.passes import Day, Passes, division_for
from cartwise.data.splits import SplitSettings
from cartwise.errors import InputError, PlaceTaken
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.checkpoint import Checkpoint
from cartwise.parts import INDEX, MANIFEST, PARTS
from cartwise.progress import SILENT, Progress

STATES: Final = "states"
CONTENTS: Final = frozenset({*PARTS, "left_out", STATES, MANIFEST, INDEX, SUMS})


@dataclass(frozen=True)
class TrainingSetSettings:
    """What a training set is made of.

    Attributes:
        labels: what counts as bought.
        split: where the parts end.
        outages: the file with suspect spans; by default ``outages.toml`` in the lake.
        memory_bytes: how much memory the states of users may take at a time.
    """

    labels: LabelSettings = field(default_factory=LabelSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    outages: Path | None = None
    memory_bytes: int = 3_000_000_000


def build(
    lake: Path,
    out: Path,
    settings: TrainingSetSettings | None = None,
    *,
    progress: Progress = SILENT,
) -> Manifest:
    """Build, or bring up to date, the training set of a lake; returns its manifest.

    Raises:
        InputError: the lake or the outage file cannot be used.
        NotEnoughData: no cart has a known outcome, or too few for two parts.
        OutputError: ``out`` cannot be written; what it held before is unchanged.
    """
    settings = settings or TrainingSetSettings()
    require_free(out, lake)
    log = Log.read(lake)
    with log.held():
        outages = known_outages(log, settings.outages, progress)
        outcomes = Outcomes.of(log, outages, settings.labels, settings.split, progress)
        manifest = describe(log, outcomes, outages.spans, settings.labels)
    with folders.replaced(out) as fresh, log.held():
        update = _Update(log, dict(outcomes.by_day()), out, fresh)
        update.run(settings.memory_bytes, progress)
        compared = check_canary(lake, log.days, fresh)
        progress.say(f"leak canary: {compared:,} vectors stay the same with their future deleted")
        write_manifest(fresh, manifest)
    return manifest


def require_free(out: Path, lake: Path) -> None:
    """Raise PlaceTaken unless ``out`` is absent, empty or a training set, and not in the lake."""
    folders.require_outside(out, lake)
    if out.resolve() in lake.resolve().parents:
        raise PlaceTaken(f"'{out}' holds the events in '{lake}': choose another folder")
    folders.require_free(out, CONTENTS, "a training set")
    folders.require_replaceable(out)


class _Update:
    """From the training set ``before``, which need not exist, to the one in ``fresh``."""

    def __init__(
        self, log: Log, outcomes: dict[date, DayOutcome], before: Path, fresh: Path
    ) -> None:
        self._log = log
        self._outcomes = outcomes
        self._before = before
        self._fresh = fresh
        self._files = DayFiles(fresh, before)
        self._head = Checkpoint.read(before / STATES)

    def run(self, memory_bytes: int, progress: Progress) -> None:
        """Replay the days that are new and take the others over."""
        known = self._known_days()
        new = self._log.days[len(known) :]
        if new:
            self._replay(new, memory_bytes, progress)
        else:
            shutil.copytree(self._before / STATES, self._fresh / STATES, copy_function=os.link)
        for day in known:
            self._take_over(day)
        self._files.finish()

    def _known_days(self) -> list[date]:
        """The days whose events the states of the training set before hold; none or all of them."""
        digests = list(self._log.history.values())
        if self._head is None or self._head.history not in digests:
            return []
        return self._log.days[: digests.index(self._head.history) + 1]

    def _replay(self, days: list[date], memory_bytes: int, progress: Progress) -> None:
        before, after = self._before / STATES, self._fresh / STATES
        events = {day: self._log.events[day] for day in days}
        head = self._head if days != self._log.days else None
        division = head.division if head else division_for(events, memory_bytes)
        passes = len(division.shards())
        with (
            tempfile.TemporaryDirectory(prefix=".passes-", dir=self._fresh) as scratch,
            progress.task("replay", sum(events.values()) * passes, "event") as advance,
        ):
            wanted = {day: self._outcomes[day].rows for day in days}
            start = before if head else None
            replay = Passes(self._log.lake, wanted, Path(scratch), division, start, after)
            for _ in map_ahead(self._write_days, replay.batches(advance), workers=2):
                pass
        history = self._log.history[days[-1]]
        Checkpoint(SPECIFICATION.fingerprint, division.sessions, division.users, history).write(
            after
        )

    def _write_days(self, days: list[Day]) -> None:
        for day in days:
            carts = carts_table(day.carts, self._outcomes[day.date].rows, day.vectors)
            self._write(day.date, carts)

    def _take_over(self, day: date) -> None:
        outcome, history = self._outcomes[day], self._log.history[day]
        if self._files.has_all(outcome, history):
            self._files.link(day, outcome, history)
        else:
            self._write(day, self._stored_carts(day).to_arrow())

    def _stored_carts(self, day: date) -> pl.DataFrame:
        carts = read_carts(self._before, day)
        if not np.array_equal(carts["row"].to_numpy(), self._outcomes[day].rows):
            raise InputError(f"'{self._before}' lacks carts of {day}: delete it and build it anew")
        return carts

    def _write(self, day: date, carts: pa.Table) -> None:
        self._files.write(day, self._outcomes[day], self._log.history[day], carts)
