"""Rows as a source holds them, before the contract has seen them."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from cartwise.data.contract import LINE, REFUSED_SCHEMA
from cartwise.events import COLUMNS

TEXT: Final = "text"
"""Column with a row's text as it stands in its source."""

REFUSED_TEXT_SCHEMA: Final = pl.Schema({**REFUSED_SCHEMA, TEXT: pl.String()})
"""A refused row with the rules that it broke and its text."""


@dataclass(frozen=True)
class RawRows:
    """Consecutive rows of a source.

    ``fields`` has ``line`` and the nine columns, as text (null where empty) or natively typed,
    and ``text`` where the source is text. ``malformed`` has ``REFUSED_TEXT_SCHEMA``: lines that
    cannot be split into fields.
    """

    fields: pl.DataFrame
    malformed: pl.DataFrame

    @property
    def height(self) -> int:
        """How many rows these are, malformed ones included."""
        return self.fields.height + self.malformed.height

    def with_text(self, refused: pl.DataFrame) -> pl.DataFrame:
        """Add to rows of ``REFUSED_SCHEMA`` their text; native fields are joined with commas."""
        rows = self.fields.filter(pl.col(LINE).is_in(refused[LINE].implode()))
        text = pl.col(TEXT) if TEXT in rows.columns else _joined()
        return refused.join(rows.select(LINE, text), on=LINE, how="left", maintain_order="left")


def without_empty_text(fields: pl.DataFrame) -> pl.DataFrame:
    """Make empty text null, which is what it means."""
    return fields.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))


def _joined() -> pl.Expr:
    fields = [pl.col(name).cast(pl.String).fill_null("") for name in COLUMNS]
    return pl.concat_str(fields, separator=",").alias(TEXT)
