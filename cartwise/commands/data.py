"""``cartwise ingest`` and ``cartwise features``: from raw files to a training set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType

from cartwise.counting import counted
from cartwise.data.earlier_files import told_files
from cartwise.data.ingest import ingest as ingest_files
from cartwise.data.ingest_report import IngestReport, require_events
from cartwise.data.labels import LabelSettings, Scope
from cartwise.data.manifest import Manifest
from cartwise.data.splits import By, SplitSettings
from cartwise.data.training_set import TrainingSetSettings, build
from cartwise.duration import format_duration, parse_duration
from cartwise.options import (
    GIGABYTE,
    Events,
    Horizon,
    Json,
    LabelScope,
    Memory,
    Out,
    Outages,
    Quiet,
    Sources,
    SplitBy,
)
from cartwise.parts import LEFT_OUT
from cartwise.tables import columns_table, facts_table, present
from cartwise.terminal import open_progress

DEFAULT_HORIZON: Final = "24h"
_FEW_REFUSED: Final = 0.5
"""Of a log that lost more, what is left is not what the shop saw."""


def ingest(
    sources: Sources,
    out: Out,
    skip_known: Annotated[
        bool,
        typer.Option(
            help="Do not read files again that were read into OUT with this option before."
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read raw event files into a lake: typed, distinct events in log order, a file for each day.

    Rows that break the contract go to OUT/quarantine with the rules that they broke, their file
    and line. What the lake holds already stays, so running again doubles nothing.
    """
    progress = open_progress(quiet=quiet)
    report = ingest_files(sources, out, progress=progress, skip_known=skip_known)
    if not as_json:
        # The error tells all that the summary would.
        require_events(report, out)
    present(report.to_dict(), ingest_summary(report, out), as_json=as_json)
    require_events(report, out)


def features(
    events: Events,
    out: Out,
    horizon: Horizon = DEFAULT_HORIZON,
    label_scope: LabelScope = "user",
    split: SplitBy = "share",
    outages: Outages = None,
    memory: Memory = 3.0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Replay a lake into a training set: every cart's features as of that cart, and its label.

    An OUT of an earlier run is brought up to date: days that it knows are not replayed again.
    """
    settings = training_set_settings(horizon, label_scope, split, outages, memory)
    manifest = build(events, out, settings, progress=open_progress(quiet=quiet))
    present(manifest, training_set_summary(manifest), as_json=as_json)


def training_set_settings(
    horizon: str, label_scope: Scope, split: By, outages: Path | None, memory: float
) -> TrainingSetSettings:
    """The settings of 'cartwise features' from its options."""
    return TrainingSetSettings(
        LabelSettings(parse_duration(horizon), label_scope),
        SplitSettings(split),
        outages,
        int(memory * GIGABYTE),
    )


def ingest_summary(report: IngestReport, out: Path | None) -> RenderableType:
    """What became of every row."""
    rows = [
        ("rows read", f"{report.rows_in:,}"),
        *([("passed over", _without_rows(report.passed_over))] if report.passed_over else []),
        ("new events", f"{report.rows_out:,}"),
        ("duplicates", f"{report.duplicates:,}"),
        ("quarantined", f"{report.quarantined:,}"),
        *((f"  {rule}", refusals) for rule, refusals in report.refusals().items()),
        *([("lake held", f"events of {told_files(report.earlier)}")] if report.earlier else []),
        ("time", f"{report.first_event} to {report.last_event}" if report.first_event else ""),
    ]
    table = facts_table("Events", [*rows, ("lake", str(out))] if out else rows)
    refused = report.quarantined / report.rows_in if report.rows_in else 0.0
    if refused <= _FEW_REFUSED:
        return table
    warning = f"{refused:.0%} of the rows were refused: mend the log, and ingest it again"
    return Group(table, f"[yellow]{warning}[/]")


def _without_rows(files: Sequence[str]) -> str:
    rest = ", …" if len(files) > 1 else ""
    return f"{counted(len(files), 'file')} without rows ({files[0]}{rest})"


def training_set_summary(manifest: Manifest) -> RenderableType:
    """How many carts each part has, and why the others have none."""
    table = columns_table("Carts", "part", "carts", "bought", "from", "to")
    for name, part in manifest["parts"].items():
        bought = f"{part['positives'] / part['carts']:.1%}"
        table.add_row(
            name,
            f"{part['carts']:,}",
            bought,
            _minute(part["first_cart"]),
            _minute(part["last_cart"]),
        )
    for fate, reason in LEFT_OUT.items():
        if manifest["counts"][fate]:
            table.add_row(f"[dim]out: {reason}", f"[dim]{manifest['counts'][fate]:,}")
    horizon = format_duration(manifest["horizon_seconds"])
    table.caption = f"bought: within {horizon}, by the same {manifest['label_scope']}"
    return table


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
