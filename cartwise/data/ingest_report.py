"""What became of every row that an ingest read, as it is told and as the lake keeps it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from cartwise.data import quarantine
from cartwise.data.contract import TYPE_RULE
from cartwise.data.refusals import Example, printable
from cartwise.errors import InputError

TOLD_TYPES: Final = 10


@dataclass(frozen=True)
class SourceReport:
    """What one file gave: ``ignored_columns`` are those beside the nine."""

    path: str
    rows_in: int
    quarantined: int
    ignored_columns: tuple[str, ...]


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did, in rows.

    Attributes:
        rows_in: rows read.
        rows_out: events that are new in the lake.
        duplicates: rows that equal an earlier row, or an event that the lake already held.
        quarantined: rows that broke the contract.
        by_rule: quarantined rows under each rule that they broke; a row may break several.
        flagged: kept rows, duplicates included, that are odd but within the contract.
        sources: the files in the order they were read.
        first_event: earliest time among the kept rows, ISO 8601; None without any.
        last_event: latest time among them.
        earlier: the other files whose events the lake held before, as far as it remembers.
        held: the files whose events it holds now, each by its path from the lake's folder; it
            remembers the latest 1,000.
        examples: under each rule of ``by_rule`` the first row that broke it.
        unknown_types: the event types that most rows were refused for, with how many, in that
            order; at most ``TOLD_TYPES``.
    """

    rows_in: int
    rows_out: int
    duplicates: int
    quarantined: int
    by_rule: dict[str, int]
    flagged: dict[str, int]
    sources: tuple[SourceReport, ...]
    first_event: str | None
    last_event: str | None
    earlier: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    examples: dict[str, Example] = field(default_factory=dict)
    unknown_types: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """The report that ``to_dict`` gave."""
        return msgspec.convert(facts, cls)

    def refusals(self) -> dict[str, str]:
        """Every rule that rows broke, with how many did and an example."""
        shown = {rule: f", such as {example}" for rule, example in self.examples.items()}
        if TYPE_RULE in self.by_rule:
            shown[TYPE_RULE] = f"{shown.get(TYPE_RULE, '')}; by type: {self.types()}"
        return {rule: f"{rows:,}{shown.get(rule, '')}" for rule, rows in self.by_rule.items()}

    def types(self) -> str:
        """The event types that are not known, with how many rows have each."""
        told = [f"'{printable(kind)}' {rows:,}" for kind, rows in self.unknown_types.items()]
        if more := self.by_rule[TYPE_RULE] - sum(self.unknown_types.values()):
            told.append(f"others {more:,}")
        return ", ".join(told)

    @property
    def passed_over(self) -> tuple[str, ...]:
        """The files that have columns but no rows."""
        return tuple(source.path for source in self.sources if not source.rows_in)


def require_events(report: IngestReport, lake: Path) -> None:
    """Raise InputError where every row was refused; its sentence is followed by the rules."""
    if report.quarantined == report.rows_in > 0:
        rules = (f"\n  {rule}: {refusals}" for rule, refusals in report.refusals().items())
        raise InputError(
            f"none of the {report.rows_in:,} rows is a valid event; all of them lie in "
            f"{lake / quarantine.FOLDER}, with the rules that they broke:{''.join(rules)}"
        )
