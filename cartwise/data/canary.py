"""The leak canary: deleting everything after a cart must not change its vector, to the bit."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from cartwise.data.day_files import read_carts
from cartwise.data.lake import read_day
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.replay import Replay

EVENTS: Final = 100_000
"""The canary lives in so many events at the begin of the log."""

CUTS: Final = 2
SEED: Final = 7


class LeakError(AssertionError):
    """Vectors hold something of the future: a defect of this program, and nothing is published."""


def check_canary(lake: Path, days: Sequence[date], training: Path) -> int:
    """Cut the log right after some carts and compare vectors with those of a training set.

    Every cut is replayed anew, and compared are all carts up to it. Returns how many that were.

    Raises:
        LeakError: a vector differs.
    """
    events, carts = _beginning(lake, days, training)
    cuts = np.random.default_rng(SEED).permutation(carts["position"].to_numpy())[:CUTS]
    return sum(_check_cut(events.head(cut + 1), carts) for cut in sorted(cuts))


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
    known = carts.filter(pl.col("position") < events.height)
    vectors = Replay(SPECIFICATION).vectors(events, known["position"].to_numpy())
    stored = known.select(SPECIFICATION.vector).to_numpy()
    differ = vectors.view(np.uint32) != np.ascontiguousarray(stored).view(np.uint32)
    if differ.any():
        row, column = np.argwhere(differ)[0]
        raise LeakError(
            f"the feature {SPECIFICATION.vector[column]} of the cart at event "
            f"{known['position'][int(row)]} changes when what follows is deleted"
        )
    return known.height
