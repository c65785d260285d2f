"""The columns that the files of a training set must have, and of which kind."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
from pyarrow import types

from cartwise.errors import InputError
from cartwise.model.manifest import REBUILD

LABEL: Final = "label"

_MOST_TOLD: Final = 3


def _is_text(kind: pa.DataType) -> bool:
    return kind in {pa.string(), pa.large_string(), pa.string_view()}


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_floating(kind) or types.is_integer(kind))


_KINDS: Final[Mapping[str, Callable[[pa.DataType], bool]]] = {
    "user_id": types.is_integer,
    "product_id": types.is_integer,
    "category_id": types.is_integer,
    "user_session": _is_text,
    "category_code": _is_text,
    "brand": _is_text,
    "cart_time": types.is_timestamp,
    LABEL: types.is_integer,
}
"""What a column must be; all others, price and features, are numbers."""


def require_columns(file: Path, schema: pa.Schema, names: Sequence[str]) -> None:
    """Raise InputError unless a file of carts has columns of these names, each of its kind."""
    held = set(schema.names)
    if missing := [name for name in names if name not in held]:
        told = ", ".join(missing[:_MOST_TOLD]) + (", …" if len(missing) > _MOST_TOLD else "")
        raise InputError(f"{file} lacks the column(s) {told}: {REBUILD}")
    for name in names:
        kind = schema.field(name).type
        if not _KINDS.get(name, _is_number)(kind):
            raise InputError(f"{file} has the column {name} as {kind}: {REBUILD}")


def require_labels(place: Path, carts: pl.DataFrame) -> None:
    """Raise InputError where a label, if there are any, is neither 0 nor 1."""
    if LABEL not in carts.columns or carts.is_empty():
        return
    label = carts[LABEL]
    if label.null_count() or not label.is_between(0, 1).all():
        raise InputError(f"{place} holds a label that is neither 0 nor 1: {REBUILD}")
