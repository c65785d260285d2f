"""Batch scoring: the probability of every cart of a log, each as of its own moment."""

import tempfile
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cartwise.data.labels import cart_rows
from cartwise.data.log import Log
from cartwise.data.passes import Day, Passes, division_for
from cartwise.errors import PlaceTaken
from cartwise.features.catalogue import SPECIFICATION
from cartwise.folders import replaced_file, require_outside
from cartwise.model.bundle import Bundle
from cartwise.progress import SILENT, Progress

MEMORY_BYTES: Final = 3_000_000_000
SCHEMA: Final = pl.Schema(
    {
        "user_id": pl.Int64(),
        "product_id": pl.Int64(),
        "user_session": pl.String(),
        "cart_time": pl.Datetime("us", "UTC"),
        "probability": pl.Float64(),
        "model_version": pl.String(),
    }
)


def score(
    model: Path,
    lake: Path,
    out: Path,
    *,
    memory_bytes: int = MEMORY_BYTES,
    progress: Progress = SILENT,
) -> int:
    """Write one row per cart of a lake to the Parquet file ``out``, in log order.

    A cart's probability depends on nothing after it, to the bit. Returns the number of carts.

    Raises:
        BundleError: the bundle is altered or incomplete.
        FingerprintMismatch: the model was trained with another feature specification.
        InputError: the lake cannot be used.
        OutputError: ``out`` cannot be written; an older file is then unchanged.
    """
    _require_free(out, model, lake)
    bundle = Bundle.load(model)
    bundle.require_fingerprint(SPECIFICATION.fingerprint)
    log = Log.read(lake)
    wanted = cart_rows(lake, log.days)
    division = division_for(log.events, memory_bytes)
    steps = sum(log.events.values()) * len(division.shards())
    with (
        replaced_file(out) as fresh,
        tempfile.TemporaryDirectory(prefix=".passes-", dir=fresh.parent) as scratch,
        pq.ParquetWriter(fresh, pl.DataFrame(schema=SCHEMA).to_arrow().schema) as writer,
        progress.task("score", steps, "events") as advance,
    ):
        for day in Passes(lake, wanted, Path(scratch), division).run(advance):
            writer.write_table(_scored(day, bundle))
    return sum(map(len, wanted.values()))


def _require_free(out: Path, *inputs: Path) -> None:
    """Raise PlaceTaken where ``out`` lies in an input, or something else than Parquet is there."""
    require_outside(out, *inputs)
    if out.is_dir() or (out.exists() and not _is_parquet(out)):
        raise PlaceTaken(f"'{out}' exists and is no Parquet file: choose another name")


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(4) == b"PAR1"


def _scored(day: Day, bundle: Bundle) -> pa.Table:
    return (
        day.carts.rename({"event_time": "cart_time"})
        .with_columns(
            probability=pl.Series(bundle.score(day.vectors)), model_version=pl.lit(bundle.version)
        )
        .select(SCHEMA.names())
        .to_arrow()
    )
