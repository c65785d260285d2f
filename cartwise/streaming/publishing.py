"""From arrivals to the lake's days, and up to which offsets these are complete."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from cartwise.data.ingest import ingest
from cartwise.errors import InputError
from cartwise.events import EVENT_SCHEMA
from cartwise.progress import SILENT, Progress
from cartwise.streaming.arrivals import Arrivals, Range

MARK: Final = "published.json"


@dataclass(frozen=True)
class Published:
    """Offsets by partition: the days hold exactly what lies before ``complete``, or, while
    ``under_way`` is not empty, perhaps some of what lies before that."""

    complete: Mapping[str, int] = field(default_factory=dict)
    under_way: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, arrivals: Arrivals) -> "Published":
        """What a lake says of itself."""
        content = arrivals.load(MARK)
        if content is None:
            return cls()
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError) as error:
            raise InputError(f"{arrivals.place}/{MARK} cannot be read: {error}") from error

    def write(self, arrivals: Arrivals) -> None:
        """Let the lake say so."""
        arrivals.save(MARK, (json.dumps(vars(self), indent=1) + "\n").encode())


def publish(arrivals: Arrivals, events: Path, progress: Progress = SILENT) -> int:
    """Bring the arrivals that are new into the days of a lake; returns how many events were new.

    What an interrupted run had begun is done again: an event that is there already counts once.

    Raises:
        InputError: a range of offsets is missing.
        OutputError: the lake cannot be written.
    """
    published = Published.read(arrivals)
    new = [one for ranges in arrivals.ranges().values() for one in _after(published, ranges)]
    if not new:
        return 0
    goal = {**published.complete, **{one.source: one.end for one in new}}
    Published(published.complete, goal).write(arrivals)
    with tempfile.TemporaryDirectory(prefix="cartwise-arrivals-") as scratch:
        file = Path(scratch) / "arrivals.parquet"
        count = _gather(arrivals, new, file)
        added = ingest([file], events, progress=progress).rows_out if count else 0
    Published(goal).write(arrivals)
    return added


def _after(published: Published, ranges: list[Range]) -> list[Range]:
    """The ranges beyond what is published; raises where one is missing between them."""
    end = published.complete.get(ranges[0].source, ranges[0].start)
    new = [one for one in ranges if one.end > end]
    for one in new:
        if one.start > end:
            raise InputError(
                f"the arrivals of {one.source} lack the offsets {end} to {one.start - 1}: "
                "restore their files, or fetch them again with 'cartwise archive'"
            )
        end = one.end
    return new


def _gather(arrivals: Arrivals, ranges: list[Range], file: Path) -> int:
    """Write the events of ranges to one file, by partition and offset; how many they are."""
    frames = [arrivals.read(one).select(EVENT_SCHEMA.names()) for one in ranges]
    events = pl.concat(frames)
    events.write_parquet(file)
    return events.height
