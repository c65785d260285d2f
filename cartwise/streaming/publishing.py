"""From arrivals to the lake's days, and up to which offsets these are complete."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cartwise.data.ingest import ingest
from cartwise.data.lake import gone_files
from cartwise.documents import parse_document
from cartwise.events import EVENT_SCHEMA
from cartwise.folders import locked
from cartwise.progress import SILENT, Progress
from cartwise.streaming.arrivals import Arrivals, Range, after
from cartwise.streaming.recollection import Recollection

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
        remedy = "take it from a copy, or delete it to publish all arrivals again"
        return parse_document(content, cls, f"{arrivals.place}/{MARK}", remedy)

    def write(self, arrivals: Arrivals) -> None:
        """Let the lake say so."""
        arrivals.save(MARK, (json.dumps(vars(self), indent=1) + "\n").encode())


def publish(
    arrivals: Arrivals, events: Path, horizon_seconds: int = 3600, progress: Progress = SILENT
) -> int:
    """Bring the arrivals that are new into the days of a lake; returns how many events were new.

    What an interrupted run had begun is done again: an event that is there already counts once.

    Args:
        arrivals: what is published.
        events: the folder of days.
        horizon_seconds: how long the stream remembers events; what it knows is kept for those who
            load the days into a store.
        progress: told how far the work is.

    Raises:
        InputError: a range of offsets is missing.
        OutputError: the lake cannot be written, or is being published into.
    """
    # Whoever finished last would tell how far he himself came, and not how far the days are.
    with locked(events.parent, "publication"):
        return _publish(arrivals, events, horizon_seconds, progress)


def _publish(arrivals: Arrivals, events: Path, horizon_seconds: int, progress: Progress) -> int:
    published = Published.read(arrivals)
    complete = {} if gone_files(events) else published.complete
    new = [
        one
        for source, ranges in arrivals.ranges().items()
        for one in after(ranges, complete.get(source, ranges[0].start))
    ]
    if not new:
        return 0
    goal = {**published.complete, **{one.source: one.end for one in new}}
    known = Recollection.read(arrivals, horizon_seconds).to(goal, arrivals, progress)
    Published(published.complete, goal).write(arrivals)
    with tempfile.TemporaryDirectory(prefix="cartwise-arrivals-") as scratch:
        files = _gather(arrivals, new, Path(scratch))
        report = ingest(files, events, progress=progress, remember=False) if files else None
    known.write(arrivals)
    Published(goal).write(arrivals)
    return report.rows_out if report else 0


def _gather(arrivals: Arrivals, ranges: list[Range], folder: Path) -> list[Path]:
    """Fetch the events of ranges, a file for each that has any, by partition and offset."""
    files = []
    for place, one in enumerate(ranges):
        events = arrivals.read(one).select(EVENT_SCHEMA.names())
        if events.height:
            files.append(folder / f"{place:08d}.parquet")
            events.write_parquet(files[-1])
    return files
