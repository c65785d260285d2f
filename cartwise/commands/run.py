"""``cartwise run``: the whole pipeline at once."""

from rich.console import Group, RenderableType

from cartwise.commands.data import (
    DEFAULT_HORIZON,
    ingest_summary,
    training_set_settings,
    training_set_summary,
)
from cartwise.commands.model import evaluation_settings, evaluation_summary, training_settings
from cartwise.duration import format_duration
from cartwise.masking import masked
from cartwise.model.bundle import Bundle
from cartwise.model.contest import learned_until
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
from cartwise.tables import present, whole_lines
from cartwise.terminal import open_progress


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
    if result.untracked:
        raise result.untracked


def run_summary(run: Run) -> RenderableType:
    """All that a run found, on one screen."""
    where = [("model", str(run.out / MODEL))]
    if run.replaced:
        where.append(("replaced", _told(run.replaced)))
    if run.tracked:
        where.append(("experiments", _experiments(run.tracked.tracking_uri)))
    return Group(
        ingest_summary(run.ingest, None),
        training_set_summary(run.manifest),
        evaluation_summary(run.evaluation),
        whole_lines(where),
    )


def _told(model: Bundle) -> str:
    horizon, until = format_duration(model.spec.horizon_seconds), learned_until(model)
    return f"{model.version}, with a horizon of {horizon}, learned until {until:%Y-%m-%d %H:%M}"


def _experiments(uri: str) -> str:
    """Where to look at runs: a server's own page, or the command that shows a database."""
    command = f"mlflow ui --backend-store-uri {uri} (with the extra 'mlflow')"
    return masked(uri if uri.startswith("http") else command)
