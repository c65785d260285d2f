"""``cartwise train``, ``evaluate`` and ``score``: from a training set to probabilities."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Group, RenderableType
from rich.markup import escape

from cartwise.counting import counted
from cartwise.folders import written_together
from cartwise.model.baselines import NAMES as BASELINES
from cartwise.model.boosting import Boosting, Seeding
from cartwise.model.evaluation import Evaluation, EvaluationSettings, require_free
from cartwise.model.evaluation import evaluate as evaluate_model
from cartwise.model.few_carts import small_sample_warning
from cartwise.model.manifest import LEARNED_FROM
from cartwise.model.mlflow_store import Tracking, require_reachable
from cartwise.model.parameters import Parameters, read_parameters
from cartwise.model.policy import Economics
from cartwise.model.summary import baseline_title, is_worse, verdict, with_interval
from cartwise.model.training import TrainingResult, TrainingSettings
from cartwise.model.training import train as train_model
from cartwise.options import (
    GIGABYTE,
    BoughtAnyway,
    Events,
    FeatureRepo,
    Features,
    Json,
    Margin,
    Memory,
    Model,
    NudgeCost,
    Out,
    Quiet,
    Seed,
    Threads,
    Track,
    TrackingUri,
    Training,
    Truth,
)
from cartwise.progress import Progress
from cartwise.scoring import score as score_carts
from cartwise.tables import columns_table, facts_table, present, whole_lines
from cartwise.terminal import open_progress


def train(
    training: Training,
    out: Out,
    margin: Margin = 0.25,
    nudge_cost: NudgeCost = 1.0,
    bought_anyway: BoughtAnyway = 0.8,
    seed: Seed = 7,
    threads: Threads = 2,
    features: Features = "training",
    feature_repo: FeatureRepo = Path("feature_repo"),
    params: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with hyper-parameters (boosting) and what to search (tuning.space).",
            show_default=False,
        ),
    ] = None,
    tune: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Search hyper-parameters until N trials are done, earlier ones included.",
        ),
    ] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that take trials.")] = 1,
    study: Annotated[
        str | None,
        typer.Option(
            envvar="CARTWISE_POSTGRES_URL",
            show_envvar=False,
            help="Database of the search: CARTWISE_POSTGRES_URL, or ./mlruns/tuning.db.",
            show_default=False,
        ),
    ] = None,
    track: Track = True,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train and calibrate a model; OUT becomes its bundle. The test part is not looked at.

    With --tune, hyper-parameters are searched first, without the test part as well. A search that
    was cut off goes on where it was; --track makes it a run of MLflow, with a run per trial.
    """
    settings = training_settings(seed, threads, margin, nudge_cost, bought_anyway)
    parameters = read_parameters(params) if params else Parameters()
    settings = replace(settings, boosting=parameters.boosting)
    progress = open_progress(quiet=quiet)
    place = Tracking(tracking_uri)
    if tune and track:
        require_reachable(place)
    with _source(features, training, feature_repo, progress) as source:
        if tune:
            search = _Search(parameters, settings.seeding, tune, jobs, study)
            found = _tuned(source, search, place if track else None, progress)
            settings = replace(settings, boosting=found)
        result = train_model(source, out, settings, progress=progress)
    present(result.metrics, training_summary(result, training), as_json=as_json)


class _Search(NamedTuple):
    parameters: Parameters
    seeding: Seeding
    trials: int
    jobs: int
    study: str | None


def _tuned(training: Path, asked: _Search, place: Tracking | None, progress: Progress) -> Boosting:
    """The best hyper-parameters that a search finds."""
    # Optuna takes a second to import, and only this needs it.
    from cartwise.model.tuning import Search, sqlite_database, tune  # noqa: PLC0415

    parameters, seeding, trials, jobs, study = asked
    database = study or sqlite_database(Tracking().folder)
    search = Search(parameters, seeding, trials, jobs, database)
    found = tune(training, search, place, progress=progress)
    progress.say(
        f"best of {found.completed} trials, {found.pruned} cut off early: "
        f"{found.name_of_loss.replace('_', ' ')} {found.log_loss:.5f}"
    )
    return found.boosting


@contextmanager
def _source(
    features: str, training: Path, feature_repo: Path, progress: Progress
) -> Iterator[Path]:
    """The training set to train on: the one that is there, or its carts with Feast's vectors."""
    if features == "training":
        yield training
        return
    # An optional extra, which takes seconds to import.
    from cartwise.feast.training import fetched  # noqa: PLC0415

    with fetched(training, feature_repo, progress=progress) as source:
        yield source


def evaluate(
    model: Model,
    training: Training,
    out: Out,
    truth: Truth = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the bundle with its figures; without it, MODEL gets them.",
            show_default=False,
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(help="Folder for plots (SVG) and curves (CSV).", show_default=False),
    ] = None,
    seed: Seed = 7,
    threads: Threads = 2,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a bundle on the test part: OUT gets metrics.json and report.html."""
    require_free(out, model, training, plots, bundle)
    settings = evaluation_settings(seed, threads)
    progress = open_progress(quiet=quiet)
    evaluation = evaluate_model(
        model, training, out, settings, truth=truth, renewed=bundle, progress=progress
    )
    if plots:
        _write_plots(evaluation, plots)
    summary = evaluation_summary(evaluation)
    if not is_worse(evaluation.metrics):
        places = ("--model", str(bundle or model), "--report", str(evaluation.report))
        # Whoever tries the model first has no key yet.
        command = shlex.join(["cartwise", "serve", *places, "--no-auth"])
        summary = Group(summary, whole_lines([("next", command)]))
    present(evaluation.metrics, summary, as_json=as_json)


def _write_plots(evaluation: Evaluation, folder: Path) -> None:
    plots = {f"{name}.svg": svg for name, svg in evaluation.plots.items()}
    curves = {f"{name}.csv": curve.write_csv() for name, curve in evaluation.curves.items()}
    contents = {name: text.encode() for name, text in {**plots, **curves}.items()}
    with written_together(folder, contents):
        pass


def score(
    model: Model,
    events: Events,
    out: Annotated[
        Path, typer.Option(help="File to write: .parquet, .csv or .csv.gz.", show_default=False)
    ],
    memory: Memory = 3.0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score every cart of a lake, each as of its own moment: one row per cart."""
    memory_bytes = int(memory * GIGABYTE)
    progress = open_progress(quiet=quiet)
    carts = score_carts(model, events, out, memory_bytes=memory_bytes, progress=progress)
    present(
        {"carts": carts, "out": str(out)},
        escape(f"{counted(carts, 'cart')} scored into {out}"),
        as_json=as_json,
    )


def training_settings(
    seed: int, threads: int, margin: float, nudge_cost: float, bought_anyway: float
) -> TrainingSettings:
    """The settings of 'cartwise train' from its options."""
    return TrainingSettings(
        seeding=Seeding(seed, threads), economics=Economics(margin, nudge_cost, bought_anyway)
    )


def evaluation_settings(seed: int, threads: int) -> EvaluationSettings:
    """The settings of 'cartwise evaluate' from its options."""
    return EvaluationSettings(seed=seed, threads=threads)


def _boosting(metrics: Mapping[str, Any]) -> str:
    begun = " from a regression on" if metrics.get("from_regression") else ""
    return f"depth {metrics['depth']}, {counted(metrics['rounds'], 'round')}{begun}"


def training_summary(result: TrainingResult, training: Path) -> RenderableType:
    """What training made, and how to measure it."""
    metrics, places = result.metrics, (str(result.model), str(training))
    carts = sum(metrics[f"carts_{part}"] for part in LEARNED_FROM)
    losses = {name: loss for name, loss in metrics.items() if name.endswith("_log_loss")}
    facts = [
        ("learned from", counted(carts, "cart")),
        ("boosting", _boosting(metrics)),
        ("calibration", metrics["calibration_method"]),
        *((name.replace("_", " "), f"{loss:.4f}") for name, loss in losses.items()),
        ("bundle", f"{result.model} (version {result.model_version})"),
    ]
    model, carts_of = map(shlex.quote, places)
    command = f"cartwise evaluate --model {model} --training {carts_of} --out evaluation"
    return Group(facts_table("Model", facts), whole_lines([("next", command)]))


def evaluation_summary(evaluation: Evaluation) -> RenderableType:
    """The model beside its rivals, and how far its probabilities can be trusted."""
    metrics = evaluation.metrics
    table = columns_table("Test part", "", "AUC", "log loss", "ECE")
    table.add_row("[bold]model", *_measures(metrics, ""))
    for name in BASELINES:
        table.add_row(baseline_title(name), *_measures(metrics, f"baseline_{name}_"))
    if metrics.get("ceiling_auc") is not None:
        share = with_interval(metrics, "ceiling_share", 2)
        table.add_row("[dim]true probabilities", with_interval(metrics, "ceiling_auc"))
        table.caption = f"share of the ceiling: {share}"
    warnings = [f"[yellow]{warning}[/]"] if (warning := small_sample_warning(metrics)) else []
    told = f"[red]{verdict(metrics)}[/]" if is_worse(metrics) else verdict(metrics)
    report = whole_lines([("report", evaluation.report.resolve().as_uri())])
    return Group(table, *warnings, *([told] if told else []), report)


def _measures(metrics: Mapping[str, Any], prefix: str) -> list[str]:
    plain = [metrics.get(f"{prefix}{name}") for name in ("log_loss", "ece")]
    auc = with_interval(metrics, f"{prefix}auc")
    return [auc, *("" if value is None else f"{value:.4f}" for value in plain)]
