"""Simulates the log of a shop that looks like the public one, with the truth beside it.

The shop is calibrated to published figures (``simulator/published.py``). People, products and
visits have latent traits; what somebody does follows from these traits, and ``truth.parquet``
keeps the probability with which the simulator drew each cart's purchase. The area under the ROC
curve of that probability is the ceiling that no model exceeds but by luck.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from cartwise.data.publication import commit, ready, recover, staging
from cartwise.data.simulator.eventlog import PURCHASE, Events
from cartwise.data.simulator.randomness import Flags
from cartwise.data.simulator.world import World
from cartwise.data.simulator.writing import FORMATS, Format, LogWriter
from cartwise.disk import writable
from cartwise.errors import PlaceTaken, UsageError
from cartwise.events import EVENT_TYPES, SECONDS_PER_DAY, SECONDS_PER_HOUR
from cartwise.folders import locked
from cartwise.progress import SILENT, Progress

FIRST_DAY = date(2019, 11, 8)
"""From this day on the public log records carts completely."""

EARLIEST_DAY = date(1970, 1, 1)
MOST_DAYS = 3660
LARGEST_SEED = 2**62


@dataclass(frozen=True)
class Outage:
    """A span in which purchases happen but the log does not record them."""

    start: datetime
    """A time without a zone is UTC."""
    hours: int

    @property
    def first_second(self) -> int:
        """Seconds since the epoch."""
        return int(self.start.replace(tzinfo=self.start.tzinfo or UTC).timestamp())

    @property
    def seconds(self) -> int:
        """How long it lasts."""
        return self.hours * SECONDS_PER_HOUR

    def covers(self, events: Events) -> Flags:
        """Which events the log misses."""
        since = events.time - self.first_second
        lost: Flags = (since >= 0) & (since < self.seconds) & (events.kind == PURCHASE)
        return lost


@dataclass(frozen=True)
class SimulationReport:
    """What was written."""

    events: int
    carts: int
    """Rows of the truth: first carts of a session and product."""
    by_type: dict[str, int]
    unrecorded_purchases: int
    """Lost in the outage."""


def simulate(  # noqa: PLR0913 - every one is an option of the command line
    out: Path,
    *,
    sessions: int,
    days: int = 28,
    seed: int = 0,
    start: date = FIRST_DAY,
    outage: Outage | None = None,
    removals: float = 0.0,
    file_format: Format = "csv",
    progress: Progress = SILENT,
) -> SimulationReport:
    """Write ``out/events-YYYY-MM-DD.<file_format>`` for every day, and ``out/truth.parquet``.

    The same arguments give the same bytes. ``sessions`` is for all days together; about 2 % come
    on top in which somebody returns to a cart. ``removals`` is the share of the carts not bought
    in their session that is removed again (the public log records none). Nothing appears in
    ``out`` before everything is written.

    Truth: user_session, user_id, product_id, cart_time and purchase_probability, one row per
    first cart of a session and product: the probability that this user buys this product within
    24 hours after the cart, whether or not the log records it.

    Raises UsageError for arguments out of range, PlaceTaken where ``out`` holds anything, and
    OutputError where it cannot be written.
    """
    _check(sessions, days, seed, removals, file_format)
    _check_span(start, days, outage)
    world = World(seed, start, sessions, days, removals)
    with (
        writable(out),
        _published(out) as folder,
        LogWriter(world.shop, folder, file_format) as writer,
    ):
        return _record(world, writer, outage, sessions, progress)


def _record(
    world: World, writer: LogWriter, outage: Outage | None, sessions: int, progress: Progress
) -> SimulationReport:
    counts = np.zeros(len(EVENT_TYPES), np.int64)
    carts = unrecorded = 0
    with progress.task("simulate", sessions, "session") as advance:
        for part in world.slices():
            lost = outage.covers(part.events) if outage else np.zeros(len(part.events), np.bool_)
            kept = part.events.take(~lost)
            writer.write(part.day, kept)
            counts += np.bincount(kept.kind, minlength=len(counts))
            carts += int(np.isfinite(kept.probability).sum())
            unrecorded += int(lost.sum())
            advance(part.visits)
    by_type = dict(zip(EVENT_TYPES, counts.tolist(), strict=True))
    return SimulationReport(int(counts.sum()), carts, by_type, unrecorded)


def _check(sessions: int, days: int, seed: int, removals: float, file_format: str) -> None:
    if sessions < 1:
        raise UsageError(f"cannot simulate {sessions} sessions: ask for at least one")
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(f"cannot simulate {days} days: ask for 1 to {MOST_DAYS}")
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"the seed is {seed}: it must lie between 0 and 2^62")
    if not 0.0 <= removals <= 1.0:
        raise UsageError(f"the share of removals is {removals}: it must lie between 0 and 1")
    if file_format not in FORMATS:
        raise UsageError(f"cannot write '{file_format}': choose one of {', '.join(FORMATS)}")


def _check_span(start: date, days: int, outage: Outage | None) -> None:
    if not EARLIEST_DAY <= start <= date.max - timedelta(MOST_DAYS):
        raise UsageError(f"cannot begin on {start}: choose a day between 1970 and 9989")
    if outage is None:
        return
    if outage.hours < 1:
        raise UsageError(f"an outage of {outage.hours} hours is none: ask for at least one hour")
    since = outage.first_second - (start - EARLIEST_DAY).days * SECONDS_PER_DAY
    if not -outage.seconds < since < days * SECONDS_PER_DAY:
        raise UsageError(
            f"the outage of {outage.hours} hours from {outage.start} lies outside the "
            f"{days} simulated days from {start}: move one of the two"
        )


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """A folder whose files appear in ``out`` together, once all are written."""
    if out.exists() and not out.is_dir():
        raise PlaceTaken(f"'{out}' is a file: name a new or empty folder for the simulated log")
    with locked(out, "simulation"):
        recover(out)
        _refuse_foreign(out)
        with staging(out) as folder:
            yield ready(folder)
            commit(out, {}, [])


def _refuse_foreign(out: Path) -> None:
    foreign = sorted(file.name for file in out.iterdir())
    if foreign:
        raise PlaceTaken(
            f"'{out}' is not empty (it holds '{foreign[0]}'): name a new or empty folder"
        )
