"""The leak canary: deleting everything after a cart must not change its vector, to the bit.

Whole vectors are compared at the begin of the log, which can be replayed anew at little cost. What
they hold of sessions is compared on days all over it: sessions need but their own events, and those
of a few days.
"""

import operator
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from cartwise.ahead import map_ahead
from cartwise.data.day_files import read_carts
from cartwise.data.lake import read_day, scanned_day
from cartwise.events import SECONDS_PER_DAY
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.replay import Replay, Values
from cartwise.features.shards import BY_SESSION, Shard, session_seconds, sharded_columns

EVENTS: Final = 50_000
"""Whole vectors are compared in so many events at the begin of the log."""

CUTS: Final = 2
DAYS: Final = 2
SESSIONS: Final = 100
"""So many sessions are looked at on each of so many days."""

SEED: Final = 7


class LeakError(AssertionError):
    """Vectors hold something of the future: a defect of this program, and nothing is published."""


def check_canary(lake: Path, days: Sequence[date], training: Path) -> int:
    """Cut the log right after some carts and compare vectors with those of a training set.

    Returns how many vectors were compared.

    Raises:
        LeakError: a vector differs.
    """
    random = np.random.default_rng(SEED)
    events, carts = _beginning(lake, days, training)
    cuts = random.permutation(carts["position"].to_numpy())[:CUTS]
    some_days = random.choice(len(days), min(DAYS, len(days)), replace=False)
    checks = [partial(_check_cut, events.head(cut + 1), carts) for cut in sorted(cuts)] + [
        partial(_check_sessions, lake, days[: last + 1], training, its_own)
        for last, its_own in zip(some_days, random.spawn(len(some_days)), strict=True)
    ]
    return sum(map_ahead(operator.call, checks, workers=2))


def _beginning(
    lake: Path, days: Sequence[date], training: Path
) -> tuple[pl.DataFrame, pl.DataFrame]:
    events: list[pl.DataFrame] = []
    carts: list[pl.DataFrame] = []
    seen = 0
    for day in days:
        if seen >= EVENTS:
            break
        events.append(read_day(lake, day))
        position = pl.col("row").cast(pl.Int64) + seen
        carts.append(read_carts(training, day).with_columns(position=position))
        seen += events[-1].height
    return pl.concat(events).head(EVENTS), pl.concat(carts).filter(pl.col("position") < EVENTS)


def _check_cut(events: pl.DataFrame, carts: pl.DataFrame) -> int:
    """Replay events anew and compare all carts among them."""
    known = carts.filter(pl.col("position") < events.height)
    vectors = Replay(SPECIFICATION).vectors(events, known["position"].to_numpy())
    _require_equal(vectors, known, SPECIFICATION.vector)
    return known.height


def _check_sessions(
    lake: Path, days: Sequence[date], training: Path, random: np.random.Generator
) -> int:
    """Cut some sessions right after a cart of the last day, and replay these sessions alone."""
    carts = read_carts(training, days[-1]).unique("user_session", keep="any", maintain_order=True)
    chosen = carts[np.sort(random.permutation(carts.height)[:SESSIONS])]
    if chosen.is_empty():
        return 0
    ends = chosen.select("user_session", end="row")
    events = pl.concat(
        _of_sessions(lake, day, ends, is_last=day == days[-1]) for day in _alive(days)
    )
    wanted = np.flatnonzero(events["is_end"].to_numpy())
    values = Replay(SPECIFICATION, Shard(BY_SESSION)).values(events, wanted)
    places = sharded_columns(SPECIFICATION, BY_SESSION)
    names = [SPECIFICATION.values[place] for place in places]
    used = np.isin(names, SPECIFICATION.vector)
    _require_equal(values[:, places[used]], chosen, list(np.array(names)[used]))
    return chosen.height


def _alive(days: Sequence[date]) -> list[date]:
    """The days whose sessions can still be seen on the last one."""
    seconds = session_seconds(SPECIFICATION)
    return [day for day in days if (days[-1] - day).days <= 1 + seconds // SECONDS_PER_DAY]


def _of_sessions(lake: Path, day: date, ends: pl.DataFrame, *, is_last: bool) -> pl.DataFrame:
    """A day's events of some sessions; on the last day, up to the carts at their ends."""
    is_ours = pl.col("user_session").is_in(ends["user_session"].implode())
    with scanned_day(lake, day) as whole:
        ours = whole.with_row_index("row").filter(is_ours).collect()
    events = ours.join(ends, on="user_session", maintain_order="left")
    is_before = pl.lit(not is_last) | (pl.col("row") <= pl.col("end"))
    is_end = pl.lit(is_last) & (pl.col("row") == pl.col("end"))
    return events.filter(is_before).with_columns(is_end=is_end)


def _require_equal(vectors: Values, carts: pl.DataFrame, names: Sequence[str]) -> None:
    stored = carts.select(names).to_numpy()
    differ = np.ascontiguousarray(vectors).view(np.uint32) != np.ascontiguousarray(stored).view(
        np.uint32
    )
    if differ.any():
        row, column = np.argwhere(differ)[0]
        cart = carts.row(int(row), named=True)
        raise LeakError(
            f"the feature {names[column]} of the cart in row {cart['row']} of "
            f"{cart['cart_time']:%Y-%m-%d} changes when what follows is deleted"
        )
