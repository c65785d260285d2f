"""Simulates the log of a shop that looks like the public one, with the truth beside it.

The shop is calibrated to published figures (``simulator/published.py``). People, products and
visits have latent traits; what somebody does follows from these traits, and ``truth.parquet``
keeps the probability with which the simulator drew each cart's purchase. The area under the ROC
curve of that probability is the ceiling that no model exceeds but by luck.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from cartwise.data.simulator.eventlog import PURCHASE, Events
from cartwise.data.simulator.randomness import Flags
from cartwise.data.simulator.world import World
from cartwise.data.simulator.writing import FORMATS, Format, LogWriter
from cartwise.errors import InputError, OutputError
from cartwise.events import EVENT_TYPES, SECONDS_PER_HOUR
from cartwise.progress import Progress, Silent

FIRST_DAY = date(2019, 11, 8)

_STAGING = ".partial"


@dataclass(frozen=True)
class Outage:
    """A span in which purchases happen but the log does not record them."""

    start: datetime
    """A time without a zone is UTC."""
    hours: int

    def covers(self, events: Events) -> Flags:
        """Which events the log misses."""
        first = int(self.start.replace(tzinfo=self.start.tzinfo or UTC).timestamp())
        inside = (events.time >= first) & (events.time < first + self.hours * SECONDS_PER_HOUR)
        lost: Flags = inside & (events.kind == PURCHASE)
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
    progress: Progress | None = None,
) -> SimulationReport:
    """Write ``out/events-YYYY-MM-DD.<file_format>`` for every day, and ``out/truth.parquet``.

    The same arguments give the same bytes. ``sessions`` is for all days together; about 1 % come
    on top in which somebody returns to a cart. ``removals`` is the share of the carts not bought
    in their session that is removed again (the public log records none). Nothing appears in
    ``out`` before everything is written.

    Truth: user_session, user_id, product_id, cart_time and purchase_probability, one row per
    first cart of a session and product: the probability that this user buys this product within
    24 hours after the cart, whether or not the log records it.

    Raises InputError for arguments out of range, and OutputError where ``out`` holds anything
    or cannot be written.
    """
    _check(sessions, days, removals, file_format)
    with _staging(out) as folder:
        world = World(seed, start, sessions, days, removals)
        with LogWriter(world.shop, folder, file_format) as writer:
            return _record(world, writer, outage, sessions, progress or Silent())


def _record(
    world: World, writer: LogWriter, outage: Outage | None, sessions: int, progress: Progress
) -> SimulationReport:
    counts = np.zeros(len(EVENT_TYPES), np.int64)
    carts = unrecorded = 0
    with progress.task("simulate", sessions, "sessions") as advance:
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


def _check(sessions: int, days: int, removals: float, file_format: str) -> None:
    if sessions < 1:
        raise InputError(f"cannot simulate {sessions} sessions: ask for at least one")
    if days < 1:
        raise InputError(f"cannot simulate {days} days: ask for at least one")
    if not 0.0 <= removals <= 1.0:
        raise InputError(f"the share of removals is {removals}: it must lie between 0 and 1")
    if file_format not in FORMATS:
        raise InputError(f"cannot write '{file_format}': choose one of {', '.join(FORMATS)}")


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """A folder inside ``out`` whose files move there once all are written."""
    folder = out / _STAGING
    try:
        _make_room(out)
        folder.mkdir(parents=True)
        yield folder
        for file in sorted(folder.iterdir()):
            file.rename(out / file.name)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"cannot write the simulated log to '{out}': {reason}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_room(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(f"'{out}' is a file: name a new or empty folder for the simulated log")
    foreign = sorted(file.name for file in out.iterdir() if file.name != _STAGING)
    if foreign:
        raise OutputError(
            f"'{out}' is not empty (it holds '{foreign[0]}'): name a new or empty folder"
        )
    shutil.rmtree(out / _STAGING, ignore_errors=True)
