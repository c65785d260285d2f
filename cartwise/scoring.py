"""Batch scoring: the probability of every cart of a log, each as of its own moment."""

import tempfile
from pathlib import Path
from typing import Final

import polars as pl

from cartwise.data.labels import cart_rows
from cartwise.data.log import Log
from cartwise.data.passes import Day, Passes, division_for
from cartwise.features.catalogue import SPECIFICATION
from cartwise.folders import replaced_file, require_outside
from cartwise.model.bundle import Bundle
from cartwise.model.score_files import SCHEMA, open_scores, require_name
from cartwise.progress import SILENT, Progress

MEMORY_BYTES: Final = 3_000_000_000


def score(
    model: Path,
    lake: Path,
    out: Path,
    *,
    memory_bytes: int = MEMORY_BYTES,
    progress: Progress = SILENT,
) -> int:
    """Write one row per cart of a lake to the file ``out``, in log order, as its ending tells.

    A cart's probability depends on nothing after it, to the bit. Returns the number of carts.

    Raises:
        BundleError: the bundle is altered or incomplete.
        FingerprintMismatch: the model was trained with another feature specification.
        InputError: the lake cannot be used.
        UsageError: ``out`` ends in nothing that tells a kind of file.
        PlaceTaken: ``out`` lies in what is read, or something else is there.
        OutputError: ``out`` cannot be written; an older file is then unchanged.
    """
    require_outside(out, model, lake)
    require_name(out)
    bundle = Bundle.load(model)
    bundle.require_fingerprint(SPECIFICATION.fingerprint)
    log = Log.read(lake)
    division = division_for(log.events, memory_bytes)
    steps = sum(log.events.values()) * len(division.shards())
    with (
        replaced_file(out) as fresh,
        log.held(),
        tempfile.TemporaryDirectory(prefix=".passes-", dir=fresh.parent) as scratch,
        open_scores(fresh) as write,
        progress.task("score", steps, "event") as advance,
    ):
        wanted = cart_rows(lake, log.days)
        for day in Passes(lake, wanted, Path(scratch), division).run(advance):
            write(_scored(day, bundle))
    return sum(map(len, wanted.values()))


def _scored(day: Day, bundle: Bundle) -> pl.DataFrame:
    return (
        day.carts.rename({"event_time": "cart_time"})
        .with_columns(
            probability=pl.Series(bundle.score(day.vectors)), model_version=pl.lit(bundle.version)
        )
        .select(SCHEMA.names())
    )
