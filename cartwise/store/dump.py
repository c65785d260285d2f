"""All states of a store in one Parquet file, to look at."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from cartwise.disk import writable
from cartwise.features.packed import Packing
from cartwise.features.spec import Specification
from cartwise.folders import replaced_file
from cartwise.store.protocol import Store
from cartwise.store.readings import Group, grouped, names_of, read_group, text_of_keys


def dump(store: Store, specification: Specification, out: Path, *, time: int) -> int:
    """Write every state, its values as of ``time``; returns the number of states.

    Columns: entity, key, landmark (its index), last_event, then what all entities keep, by name
    without the entity's. What an entity does not keep, or has not seen, is null. A state that
    changes meanwhile may come twice.
    """
    packing, count = Packing(specification), 0
    empty = pl.DataFrame(schema=_schema(specification))
    form = empty.to_arrow().schema
    with writable(out), replaced_file(out) as fresh, pq.ParquetWriter(fresh, form) as writer:
        for some in store.scan():
            for group in grouped(dict(some)):
                frame = pl.concat([empty, _frame(packing, group, time)], how="diagonal")
                writer.write_table(frame.to_arrow().cast(form))
                count += frame.height
    return count


def _schema(specification: Specification) -> pl.Schema:
    names = dict.fromkeys(name for entity in specification.entities for name in names_of(entity))
    head = {
        "entity": pl.String(),
        "key": pl.String(),
        "landmark": pl.Int32(),
        "last_event": pl.Datetime("us", "UTC"),
    }
    return pl.Schema({**head, **dict.fromkeys(names, pl.Float64())})


def _frame(packing: Packing, group: Group, time: int) -> pl.DataFrame:
    entity = packing.specification.entities[group.entity]
    values, last = read_group(packing, group, time)
    landmarks = packing.unpack(group.entity, group.states)[:, 0].astype(np.int32)
    return pl.DataFrame(
        {
            "key": text_of_keys(packing, group),
            "landmark": landmarks,
            "last_event": pl.Series(np.where(np.isfinite(last), last, np.nan), nan_to_null=True),
            **dict(zip(names_of(entity), values.T, strict=True)),
        },
    ).select(
        pl.lit(entity.name).alias("entity"),
        "key",
        "landmark",
        pl.from_epoch(pl.col("last_event").cast(pl.Int64), "s")
        .dt.cast_time_unit("us")
        .dt.replace_time_zone("UTC"),
        pl.col(names_of(entity)).fill_nan(None),
    )
