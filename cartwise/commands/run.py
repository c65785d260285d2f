"""``cartwise run`` and ``cartwise demo``: the whole pipeline at once."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from cartwise.commands.data import (
    DEFAULT_HORIZON,
    ingest_summary,
    training_set_settings,
    training_set_summary,
)
from cartwise.commands.model import evaluation_settings, evaluation_summary, training_settings
from cartwise.data.simulate import simulate as simulate_shop
from cartwise.model.mlflow_store import Tracking
from cartwise.options import (
    BoughtAnyway,
    Horizon,
    Json,
    LabelScope,
    Margin,
    Memory,
    NudgeCost,
    Out,
    Outages,
    Quiet,
    Seed,
    Sources,
    SplitBy,
    Threads,
    Track,
    TrackingUri,
    Truth,
)
from cartwise.pipeline import MODEL, Run, RunSettings
from cartwise.pipeline import run as run_pipeline
from cartwise.tables import present
from cartwise.terminal import open_progress


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demonstration.")] = Path("demo"),
    sessions: Annotated[int, typer.Option(min=1, help="Visits to the simulated shop.")] = 150_000,
    days: Annotated[int, typer.Option(min=1, help="Days that they are spread over.")] = 28,
    seed: Seed = 7,
) -> None:
    """Simulate a shop and take its log through the whole pipeline: see it work in minutes."""
    progress = open_progress()
    raw = out / f"shop-{sessions}-sessions-{days}-days-seed-{seed}"
    if not raw.exists():
        simulate_shop(raw, sessions=sessions, days=days, seed=seed, progress=progress)
    result = run_pipeline(
        sorted(raw.glob("*.csv")),
        out / raw.name.replace("shop", "run"),
        truth=raw / "truth.parquet",
        progress=progress,
    )
    Console().print(run_summary(result), crop=False)


def run(
    sources: Sources,
    out: Out,
    horizon: Horizon = DEFAULT_HORIZON,
    label_scope: LabelScope = "user",
    split: SplitBy = "share",
    outages: Outages = None,
    memory: Memory = 3.0,
    margin: Margin = 0.25,
    nudge_cost: NudgeCost = 1.0,
    bought_anyway: BoughtAnyway = 0.8,
    truth: Truth = None,
    seed: Seed = 7,
    threads: Threads = 2,
    track: Track = True,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take raw event files to a calibrated model: ingest, features, train, evaluate.

    OUT gets events/, training/, model/ (the bundle), metrics.json and report.html.

    Running again with more files adds their events to those of OUT.
    """
    settings = RunSettings(
        training_set_settings(horizon, label_scope, split, outages, memory),
        training_settings(seed, threads, margin, nudge_cost, bought_anyway),
        evaluation_settings(seed, threads),
        Tracking(tracking_uri) if track else None,
    )
    result = run_pipeline(sources, out, settings, truth=truth, progress=open_progress(quiet=quiet))
    present(result.facts(), run_summary(result), as_json=as_json)


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
