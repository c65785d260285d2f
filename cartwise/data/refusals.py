"""An example for every rule that rows broke: where it stands, and what would be accepted; and all
event types that are not known."""

from collections import Counter
from dataclasses import dataclass
from typing import Final, Self

import polars as pl

from cartwise.data.contract import LINE, TYPE_RULE, accepted_by, column_of
from cartwise.data.quarantine import Broken
from cartwise.data.raw_rows import TEXT, RawRows, as_texts
from cartwise.data.sources import Source, Unit

_LONGEST: Final = 120
"""So many characters are enough to know a value again, and show most lines whole."""

MOST_TYPES: Final = 1000
"""Of more unknown event types, only the most frequent are counted."""


@dataclass(frozen=True)
class Example:
    """The first row that broke a rule.

    Attributes:
        source: its file.
        unit: "row" in a Parquet file, "line" in others.
        line: its place in the file, in that unit, from 1.
        value: what stands there, or the whole line where a rule is about that; shortened.
        accepted: what the rule accepts, in words or by an example.
    """

    source: str
    unit: Unit
    line: int
    value: str
    accepted: str

    @classmethod
    def kept(cls, row: Broken) -> Self:
        """A refused row as the quarantine keeps it: whole."""
        unit: Unit = "row" if row.source.endswith(".parquet") else "line"
        return cls(row.source, unit, row.line, shortened(row.text), accepted_by(row.rule))

    def __str__(self) -> str:
        value = printable(self.value)
        return f"{self.source}, {self.unit} {self.line}: '{value}' (accepted: {self.accepted})"


def first_of_each_rule(source: Source, rows: RawRows, refused: pl.DataFrame) -> dict[str, Example]:
    """An example for every rule that these rows broke; ``refused`` has ``REFUSED_TEXT_SCHEMA``."""
    if refused.is_empty():
        return {}
    broken = refused.explode("rules").unique("rules", keep="first", maintain_order=True)
    fields = _texts_by_line(rows.fields.filter(pl.col(LINE).is_in(broken[LINE].implode())))
    examples = {}
    for line, rule, text in broken.select(LINE, "rules", TEXT).iter_rows():
        value = fields[line][column] if (column := column_of(rule)) else text
        examples[rule] = Example(
            str(source.path), source.unit, line, shortened(value), accepted_by(rule)
        )
    return examples


def unknown_types(rows: RawRows, refused: pl.DataFrame) -> Counter[str]:
    """How many of these rows have each event type that is not known."""
    lines = refused.filter(pl.col("rules").list.contains(TYPE_RULE))[LINE]
    if lines.is_empty():
        return Counter()
    types = rows.fields.filter(pl.col(LINE).is_in(lines.implode())).group_by(
        "event_type", maintain_order=True
    )
    counts = types.len().sort("len", descending=True, maintain_order=True)
    found: Counter[str] = Counter()
    for kind, count in counts.head(MOST_TYPES).iter_rows():
        found[shortened(kind)] += count
    return found


def _texts_by_line(fields: pl.DataFrame) -> dict[int, dict[str, str]]:
    texts = fields.select(LINE, *as_texts(fields.schema))
    return {row[LINE]: row for row in texts.iter_rows(named=True)}


def shortened(value: str) -> str:
    """As much of a value as is shown."""
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def printable(value: str) -> str:
    """A value on one line, with escapes for signs that a terminal would obey."""
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in value)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
