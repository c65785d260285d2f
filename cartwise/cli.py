"""The command line: ``cartwise COMMAND``; every command teaches itself with ``--help``."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.markup import escape

from cartwise import __version__, options, tables
from cartwise.data.ingest import ingest as ingest_files
from cartwise.data.simulate import FIRST_DAY, Outage
from cartwise.data.simulate import simulate as simulate_shop
from cartwise.data.simulator.writing import Format
from cartwise.data.training_set import build
from cartwise.errors import CartwiseError
from cartwise.model.evaluation import evaluate as evaluate_model
from cartwise.model.training import train as train_model
from cartwise.options import (
    BoughtAnyway,
    Events,
    Horizon,
    Json,
    LabelScope,
    Margin,
    Memory,
    Model,
    NudgeCost,
    Out,
    Outages,
    Quiet,
    Seed,
    Sources,
    SplitBy,
    Threads,
    Track,
    Training,
    Truth,
)
from cartwise.pipeline import RunSettings, Tracking
from cartwise.pipeline import run as run_pipeline
from cartwise.scoring import score as score_carts
from cartwise.settings import file_settings
from cartwise.terminal import open_progress

DEFAULT_HORIZON: Final = "24h"
_FIRST: Final = datetime.combine(FIRST_DAY, time())

app = typer.Typer(
    name="cartwise",
    help="How likely is a product that was just put into a cart to be bought?\n\n"
    "Start with 'cartwise demo', or give your own event files to 'cartwise run'. Every option may "
    "also be set in cartwise.toml, and what several commands share as CARTWISE_<OPTION> in the "
    "environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Run the command line; an expected error is one sentence and exit code 1."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(default_map=file_settings(_options_by_command()))
    except CartwiseError as error:
        sys.stderr.write(f"cartwise: {error}\n")
        sys.exit(1)


def _stop(number: int, _frame: object) -> NoReturn:
    # An exit, unlike death by the signal, lets every block put its own things in order.
    raise SystemExit(128 + number)


def _options_by_command() -> dict[str, dict[str, str]]:
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    return {
        name: {
            option.removeprefix("--"): parameter.name
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--")
        }
        for name, command in commands.items()
    }


def _present(facts: Mapping[str, Any], picture: RenderableType, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        Console().print(picture, crop=False)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        sys.stdout.write(f"cartwise {__version__}\n")
        raise typer.Exit


@app.command(rich_help_panel="First steps")
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
    Console().print(tables.run_summary(result), crop=False)


@app.command(rich_help_panel="First steps")
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
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take raw event files to a calibrated model: ingest, features, train, evaluate.

    OUT gets events/, training/, model/ (the bundle), metrics.json and report.html.

    Running again with more files adds their events to those of OUT.
    """
    settings = RunSettings(
        options.training_set_settings(horizon, label_scope, split, outages, memory),
        options.training_settings(seed, threads, margin, nudge_cost, bought_anyway),
        options.evaluation_settings(seed, threads),
        _tracking() if track else None,
    )
    result = run_pipeline(sources, out, settings, truth=truth, progress=open_progress(quiet=quiet))
    _present(result.facts(), tables.run_summary(result), as_json=as_json)


@app.command(rich_help_panel="Step by step")
def ingest(sources: Sources, out: Out, as_json: Json = False, quiet: Quiet = False) -> None:
    """Read raw event files into a lake: typed, distinct events in log order, a file for each day.

    Rows that break the contract go to OUT/quarantine with the rules that they broke, their file
    and line. What the lake holds already stays, so running again doubles nothing.
    """
    report = ingest_files(sources, out, progress=open_progress(quiet=quiet))
    _present(report.to_dict(), tables.ingest_summary(report, out), as_json=as_json)


@app.command(rich_help_panel="Step by step")
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
    settings = options.training_set_settings(horizon, label_scope, split, outages, memory)
    manifest = build(events, out, settings, progress=open_progress(quiet=quiet))
    _present(manifest, tables.training_set_summary(manifest), as_json=as_json)


@app.command(rich_help_panel="Step by step")
def train(
    training: Training,
    out: Out,
    margin: Margin = 0.25,
    nudge_cost: NudgeCost = 1.0,
    bought_anyway: BoughtAnyway = 0.8,
    seed: Seed = 7,
    threads: Threads = 2,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train and calibrate a model; OUT becomes its bundle. The test part is not looked at."""
    settings = options.training_settings(seed, threads, margin, nudge_cost, bought_anyway)
    result = train_model(training, out, settings, progress=open_progress(quiet=quiet))
    _present(result.metrics, tables.training_summary(result), as_json=as_json)


@app.command(rich_help_panel="Step by step")
def evaluate(
    model: Model,
    training: Training,
    out: Out,
    truth: Truth = None,
    seed: Seed = 7,
    threads: Threads = 2,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a bundle on the test part: OUT gets metrics.json and report.html."""
    settings = options.evaluation_settings(seed, threads)
    progress = open_progress(quiet=quiet)
    evaluation = evaluate_model(model, training, out, settings, truth=truth, progress=progress)
    _present(evaluation.metrics, tables.evaluation_summary(evaluation), as_json=as_json)


@app.command(rich_help_panel="Step by step")
def score(
    model: Model,
    events: Events,
    out: Annotated[Path, typer.Option(help="Parquet file to write.", show_default=False)],
    memory: Memory = 3.0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score every cart of a lake, each as of its own moment: one row per cart in a Parquet file."""
    memory_bytes = int(memory * options.GIGABYTE)
    progress = open_progress(quiet=quiet)
    carts = score_carts(model, events, out, memory_bytes=memory_bytes, progress=progress)
    _present(
        {"carts": carts, "out": str(out)},
        escape(f"{carts:,} carts scored into {out}"),
        as_json=as_json,
    )


@app.command(rich_help_panel="First steps")
def simulate(
    out: Out,
    sessions: Annotated[int, typer.Option(min=1, help="Visits, over all days together.")],
    days: Annotated[int, typer.Option(min=1, help="Days to simulate.")] = 28,
    seed: Seed = 0,
    start: Annotated[datetime, typer.Option(help="The first day.", formats=["%Y-%m-%d"])] = _FIRST,
    outage_start: Annotated[
        datetime | None, typer.Option(help="From when purchases are not recorded (UTC).")
    ] = None,
    outage_hours: Annotated[int, typer.Option(min=1, help="For how many hours.")] = 24,
    removals: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the carts left that is removed again.")
    ] = 0.0,
    file_format: Annotated[Format, typer.Option("--format", help="Of the event files.")] = "csv",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the log of a made-up shop that looks like a real one, and the truth beside it.

    OUT gets a file of events for each day, and truth.parquet: the probability with which each
    cart's purchase was drawn. No model can rank carts better than that.
    """
    report = simulate_shop(
        out,
        sessions=sessions,
        days=days,
        seed=seed,
        start=start.date(),
        outage=Outage(outage_start, outage_hours) if outage_start else None,
        removals=removals,
        file_format=file_format,
        progress=open_progress(quiet=quiet),
    )
    _present(asdict(report), tables.simulation_summary(report, out), as_json=as_json)


def _tracking() -> Tracking:
    return Tracking(os.environ.get("MLFLOW_TRACKING_URI"))
