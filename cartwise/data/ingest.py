"""Ingest: from a shop's raw event files to typed, distinct events, one Parquet file for each day.

Nothing is dropped silently: rows in = rows out + duplicates + quarantined, checked on every run.
An ingest changes the lake in one step at its end, and repeating it changes nothing more.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from cartwise.ahead import map_ahead
from cartwise.checksums import SUMS, as_sums, digest_of
from cartwise.data import known_files, publication, quarantine
from cartwise.data.contract import check
from cartwise.data.earlier_files import (
    by_new_names,
    held_files,
    joined,
    name_in,
    other_files,
    told_files,
)
from cartwise.data.ingest_report import TOLD_TYPES, IngestReport, SourceReport
from cartwise.data.lake import day_path, gone_files, require_free, row_count, stored_file
from cartwise.data.quarantine import Quarantine
from cartwise.data.refusals import MOST_TYPES, Example, first_of_each_rule, unknown_types
from cartwise.data.sources import Piece, Source, find_sources, read
from cartwise.data.spill import Spill
from cartwise.disk import writable
from cartwise.folders import locked
from cartwise.progress import SILENT, Advance, Progress

CHUNK_ROWS: Final = 4_000_000
"""So many events are held in memory by default, about 1 GB."""


class ConservationError(AssertionError):
    """Rows were lost or doubled on the way: a defect of this program, and nothing is published."""

    def __init__(self, rows_in: int, accounted: int) -> None:
        super().__init__(f"{rows_in:,} rows were read, but {accounted:,} are accounted for")


_NOTHING: Final = IngestReport(0, 0, 0, 0, {}, {}, (), None, None)


def ingest(
    sources: Sequence[Path],
    out: Path,
    *,
    progress: Progress = SILENT,
    chunk_rows: int = CHUNK_ROWS,
    skip: Sequence[Path] = (),
    skip_known: bool = False,
    remember: bool = True,
) -> IngestReport:
    """Read event files into the lake at ``out`` and return what became of every row.

    Args:
        sources: CSV (plain, gzip, zstd) or Parquet files, or folders of such; their order is the
            order of positions.
        out: the lake's folder; events that it already holds stay and come first.
        progress: told how far the work is.
        chunk_rows: so many events are held in memory.
        skip: folders that hold no sources, wherever they lie.
        skip_known: do not read files again that an earlier call with it read into this lake; if
            all are known, the lake stays as it is to the byte.
        remember: whether the lake remembers the names of the sources, and tells those of others;
            for names that mean something after the call.

    Raises:
        InputError: a source is missing, damaged or no event file.
        OutputError: ``out`` cannot be written, or another ingest is at work in it.
        PlaceTaken: it holds other things and no lake.
    """
    require_free(out)
    found = find_sources(sources, out, skip)
    identity = [source.identity for source in found]
    with locked(out, "ingest"), writable(out):
        record = publication.recover(out)
        if record is not None and record["sources"] == identity:
            progress.say(f"completed the interrupted ingest into {out}")
            return IngestReport.from_dict(record["report"])
        digests = known_files.digests(found, progress) if skip_known else {}
        # Nobody knows which files gave it a day that is gone.
        known = {} if gone_files(out) else known_files.read(out)
        named = {digest: name_in(out, path) for path, digest in digests.items()}
        fresh = [source for source in found if digests.get(source.path) not in known]
        held = by_new_names(held_files(out), known, named)
        earlier = other_files(held, out, [one.path for one in found]) if remember else ()
        if not fresh:
            progress.say(f"{out} holds all {len(found):,} files already")
            return replace(_NOTHING, earlier=earlier, held=held)
        if earlier:
            progress.say(f"{out} holds events of {told_files(earlier)} already: new ones join them")
        with publication.staging(out) as folder:
            told = [one.path for one in fresh if one.layout.has_rows] if remember else ()
            held = joined(held, out, told)
            report = _stage(fresh, folder, out, progress, chunk_rows)
            report = replace(report, earlier=earlier, held=held)
            known_files.write(publication.ready(folder), {**known, **named})
            facts = report.to_dict()
            (publication.ready(folder) / publication.REPORT).write_text(json.dumps(facts, indent=2))
            record = {"sources": identity, "report": facts}
            publication.commit(out, record, _obsolete(fresh, publication.ready(folder)))
    return report


@dataclass(frozen=True)
class _Parted:
    """Rows of a source: ``refused`` has ``REFUSED_TEXT_SCHEMA``, ``examples`` are by rule."""

    height: int
    events: pl.DataFrame
    refused: pl.DataFrame
    examples: dict[str, Example]
    unknown_types: Counter[str]


@dataclass
class _Tally:
    rows_in: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Example] = field(default_factory=dict)
    unknown_types: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    times: list[datetime] = field(default_factory=list)

    def add(self, rows: _Parted) -> None:
        events = rows.events
        self.rows_in += rows.height
        self.by_rule.update(rows.refused["rules"].explode(empty_as_null=False).to_list())
        self.examples = {**rows.examples, **self.examples}
        types = self.unknown_types + rows.unknown_types
        self.unknown_types = Counter(dict(types.most_common(MOST_TYPES)))
        self.flagged.update(
            price_zero=int((events["price"] == 0).sum()),
            session_missing=events["user_session"].null_count(),
        )
        if not events.is_empty():
            time = pl.col("event_time")
            times = [*self.times, *events.select(time.min(), last=time.max()).row(0)]
            self.times = [min(times), max(times)]


def _stage(
    sources: Sequence[Source], folder: Path, out: Path, progress: Progress, chunk_rows: int
) -> IngestReport:
    ready = publication.ready(folder)
    spill = Spill(folder / "parts", chunk_rows)
    tally = _Tally()
    with progress.task("reading", sum(source.size_bytes for source in sources), "byte") as advance:
        reports = [_take(source, ready, spill, tally, advance) for source in sources]
    rows_out = _finish_days(spill, ready, out, progress)
    report = IngestReport(
        rows_in=tally.rows_in,
        rows_out=rows_out,
        duplicates=spill.duplicates,
        quarantined=sum(source.quarantined for source in reports),
        by_rule=dict(sorted(tally.by_rule.items())),
        flagged=dict(tally.flagged),
        sources=tuple(reports),
        first_event=tally.times[0].isoformat() if tally.times else None,
        last_event=tally.times[1].isoformat() if tally.times else None,
        examples=dict(sorted(tally.examples.items())),
        unknown_types=dict(tally.unknown_types.most_common(TOLD_TYPES)),
    )
    _check_conservation(report)
    return report


def _take(
    source: Source, ready: Path, spill: Spill, tally: _Tally, advance: Advance
) -> SourceReport:
    before = tally.rows_in
    with Quarantine(ready / quarantine.FOLDER, source.path) as refused_rows:
        for rows in map_ahead(partial(_part, source), read(source, advance), _workers()):
            spill.add(rows.events)
            refused_rows.add(rows.refused)
            tally.add(rows)
    source.require_unchanged()
    rows_in = tally.rows_in - before
    return SourceReport(str(source.path), rows_in, refused_rows.rows, source.ignored_columns)


def _workers() -> int:
    # More would only wait for the one that writes.
    return min(4, pl.thread_pool_size())


def _part(source: Source, piece: Piece) -> _Parted:
    rows = piece.parse()
    checked = check(rows.fields)
    refused = pl.concat([rows.malformed, rows.with_text(checked.refused)])
    examples = first_of_each_rule(source, rows, refused)
    types = unknown_types(rows, refused)
    return _Parted(piece.height, checked.events, refused, examples, types)


def _finish_days(spill: Spill, ready: Path, out: Path, progress: Progress) -> int:
    rows_out = 0
    days = spill.days()
    with progress.task("writing days", len(days), "day") as advance:
        for day in days:
            rows_out += _finish_day(spill, ready, out, day)
            advance(1)
    return rows_out


def _finish_day(spill: Spill, ready: Path, out: Path, day: date) -> int:
    file = spill.finish(day, out)
    if file is None:
        return 0
    target = day_path(ready, day)
    target.parent.mkdir(parents=True)
    file.replace(target)
    sums = {target.name: digest_of(target, "run the ingest again")}
    target.with_name(SUMS).write_text(as_sums(sums))
    return row_count(target) - sum(map(row_count, stored_file(out, day)))


def _check_conservation(report: IngestReport) -> None:
    accounted = report.rows_out + report.duplicates + report.quarantined
    if report.rows_in != accounted:
        raise ConservationError(report.rows_in, accounted)


def _obsolete(sources: Sequence[Source], ready: Path) -> list[str]:
    refused = [f"{quarantine.FOLDER}/{quarantine.file_name(source.path)}" for source in sources]
    return [name for name in (known_files.FILE, *refused) if not (ready / name).exists()]
