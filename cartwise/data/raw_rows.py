"""Rows as a source holds them, before the contract has seen them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from cartwise.data.contract import LINE, REFUSED_SCHEMA
from cartwise.events import COLUMNS

TEXT: Final = "text"
"""Column with a row's text as it stands in its source."""

REFUSED_TEXT_SCHEMA: Final = pl.Schema({**REFUSED_SCHEMA, TEXT: pl.String()})
"""A refused row with the rules that it broke and its text."""

_CALENDAR_MS: Final = 8_000 * 365 * 86_400_000


@dataclass(frozen=True)
class RawRows:
    """Consecutive rows of a source.

    ``fields`` has ``line`` and the nine columns, as text (null where empty) or natively typed.
    ``malformed`` has ``REFUSED_TEXT_SCHEMA``: lines that cannot be split into fields. ``texts``
    gives ``line`` and ``text`` of all rows: few are ever asked for.
    """

    fields: pl.DataFrame
    malformed: pl.DataFrame
    texts: Callable[[], pl.DataFrame]

    def with_text(self, refused: pl.DataFrame) -> pl.DataFrame:
        """Add to rows of ``REFUSED_SCHEMA`` their text."""
        if refused.is_empty():
            return pl.DataFrame(schema=REFUSED_TEXT_SCHEMA)
        return refused.join(self.texts(), on=LINE, how="left", maintain_order="left")


def without_empty_text(fields: pl.DataFrame) -> pl.DataFrame:
    """Make empty text null, which is what it means."""
    return fields.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))


def as_texts(schema: pl.Schema) -> list[pl.Expr]:
    """The nine columns of rows with this schema as text, empty where there is nothing."""
    return [_as_text(pl.col(name), schema[name]).fill_null("") for name in COLUMNS]


def _as_text(field: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if not isinstance(kind, pl.Datetime):
        return field.cast(pl.String)
    # A time beyond the calendar has no text, and polars panics over it: the bare number is told.
    sayable = pl.when(field.dt.timestamp("ms").abs() < _CALENDAR_MS).then(field)
    return pl.coalesce(sayable.cast(pl.String), field.to_physical().cast(pl.String))
