"""What a command tells at its end, as tables for people."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cartwise.data.ingest import IngestReport
from cartwise.data.manifest import Manifest
from cartwise.data.simulate import SimulationReport
from cartwise.duration import format_duration
from cartwise.model.baselines import NAMES as BASELINES
from cartwise.model.evaluation import Evaluation
from cartwise.model.summary import baseline_title, few_carts, with_interval
from cartwise.model.training import TrainingResult
from cartwise.pipeline import MODEL, Run

Rows = Iterable[tuple[str, str]]


def run_summary(run: Run) -> RenderableType:
    """All that a run found, on one screen."""
    where = [("report", run.evaluation.report.resolve().as_uri()), ("model", str(run.out / MODEL))]
    if run.tracked:
        where.append(("experiments", f"mlflow ui --backend-store-uri {run.tracked.tracking_uri}"))
    addresses = "\n".join(f"{name}: {value}" for name, value in where)
    return Group(
        ingest_summary(run.ingest, None),
        training_set_summary(run.manifest),
        evaluation_summary(run.evaluation),
        # An address must stay in one piece, however narrow the terminal is.
        Text(addresses, no_wrap=True, overflow="ignore"),
    )


def ingest_summary(report: IngestReport, out: Path | None) -> RenderableType:
    """What became of every row."""
    rows = [
        ("rows read", f"{report.rows_in:,}"),
        ("new events", f"{report.rows_out:,}"),
        ("duplicates", f"{report.duplicates:,}"),
        ("quarantined", f"{report.quarantined:,}"),
        *((f"  {rule}", f"{rows:,}") for rule, rows in report.by_rule.items()),
        ("time", f"{report.first_event} to {report.last_event}"),
    ]
    table = _facts("Events", [*rows, ("lake", str(out))] if out else rows)
    if report.quarantined == report.rows_in:
        return Group(table, "[red]No row is a valid event: look into the quarantine.[/]")
    return table


def training_set_summary(manifest: Manifest) -> RenderableType:
    """How many carts each part has, and why the others have none."""
    table = _table("Carts", "part", "carts", "bought", "from", "to")
    for name, part in manifest["parts"].items():
        bought = f"{part['positives'] / part['carts']:.1%}"
        table.add_row(
            name,
            f"{part['carts']:,}",
            bought,
            _minute(part["first_cart"]),
            _minute(part["last_cart"]),
        )
    reasons = {
        "embargoed": "embargo",
        "censored_outage": "suspect span",
        "censored_end": "log's end",
    }
    for fate, reason in reasons.items():
        if manifest["counts"][fate]:
            table.add_row(f"[dim]out: {reason}", f"[dim]{manifest['counts'][fate]:,}")
    horizon = format_duration(manifest["horizon_seconds"])
    table.caption = f"bought: within {horizon}, by the same {manifest['label_scope']}"
    return table


def training_summary(result: TrainingResult) -> RenderableType:
    """What training made."""
    facts = {name: str(value) for name, value in result.metrics.items()}
    return _facts(
        "Model", [("bundle", str(result.model)), ("version", result.model_version), *facts.items()]
    )


def evaluation_summary(evaluation: Evaluation) -> RenderableType:
    """The model beside its rivals, and how far its probabilities can be trusted."""
    metrics = evaluation.metrics
    table = _table("Test part", "", "AUC", "log loss", "ECE")
    table.add_row("[bold]model", *_measures(metrics, ""))
    for name in BASELINES:
        table.add_row(baseline_title(name), *_measures(metrics, f"baseline_{name}_"))
    if metrics.get("ceiling_auc") is not None:
        share = with_interval(metrics, "ceiling_share", 2)
        table.add_row("[dim]true probabilities", with_interval(metrics, "ceiling_auc"))
        table.caption = f"share of the ceiling: {share}"
    warning = few_carts(metrics)
    return Group(table, f"[yellow]{warning}[/]") if warning else table


def simulation_summary(report: SimulationReport, out: Path) -> RenderableType:
    """What was simulated."""
    rows = [("events", f"{report.events:,}"), ("carts", f"{report.carts:,}")]
    rows += [(f"  {kind}", f"{number:,}") for kind, number in report.by_type.items()]
    if report.unrecorded_purchases:
        rows.append(("purchases lost in the outage", f"{report.unrecorded_purchases:,}"))
    return _facts(
        "Simulated log", [*rows, ("folder", str(out)), ("truth", str(out / "truth.parquet"))]
    )


def _measures(metrics: Mapping[str, Any], prefix: str) -> list[str]:
    plain = [metrics.get(f"{prefix}{name}") for name in ("log_loss", "ece")]
    auc = with_interval(metrics, f"{prefix}auc")
    return [auc, *("" if value is None else f"{value:.4f}" for value in plain)]


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _facts(title: str, rows: Rows) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(f"[dim]{escape(name)}", escape(value))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", caption_justify="left", box=None, padding=(0, 2)
    )
    for name in columns:
        table.add_column(name, justify="left" if name in {"", "part"} else "right")
    return table
