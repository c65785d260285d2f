"""``python -m benchmarks``: every figure, with its peers, in one run on the same data."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import features, inference, ingest, machine
from benchmarks.contest import ContestantFailed
from benchmarks.figure import Disagreement, Outcome, run
from benchmarks.rawlog import raw_files, write_raw
from benchmarks.table import table
from cartwise.data.ingest import ingest as write_lake
from cartwise.data.training_set import build
from cartwise.errors import CartwiseError

FIGURES = ("ingest", "features", "inference")
WHEN_ASKED_FOR = ("feast-history",)
"""Figures with peers that take minutes to get ready."""
WARM_UP_EVENTS = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table per figure, or one JSON object; 1 where contestants disagree or fail."""
    options = _options(arguments)
    console = Console(stderr=options.json, highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="cartwise-bench-", dir=options.scratch) as scratch:
            outcomes = [
                _shown(outcome, console) for outcome in _outcomes(Path(scratch), options, console)
            ]
    except (CartwiseError, ContestantFailed, Disagreement) as error:
        console.print(f"[red]{type(error).__name__}[/]: {error}")
        return 1
    facts = machine.describe()
    console.print("Measured on " + ", ".join(f"{name} {fact}" for name, fact in facts.items()))
    if options.json:
        figures = [outcome.facts() for outcome in outcomes]
        sys.stdout.write(json.dumps({"machine": facts, "figures": figures}) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000, help="about so many events")
    parser.add_argument("--figures", nargs="+", choices=FIGURES + WHEN_ASKED_FOR, default=FIGURES)
    parser.add_argument("--only", nargs="+", metavar="PEER", help="peers to take part, by name")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--scratch", type=Path, help="folder for temporary files")
    return parser.parse_args(arguments)


def _shown(outcome: Outcome, console: Console) -> Outcome:
    console.print(table(outcome))
    return outcome


def _outcomes(scratch: Path, options: argparse.Namespace, console: Console) -> Iterator[Outcome]:
    warm, full = scratch / "warm", scratch / "full"
    console.print(f"Simulating {options.events:,} events, and {WARM_UP_EVENTS:,} to warm up with.")
    raw_events, events = _write_log(full, options.events)
    _write_log(warm, WARM_UP_EVENTS)
    if "ingest" in options.figures:
        figure = ingest.FIGURE.among(options.only)
        yield run(figure, warm / "raw", full / "raw", raw_events, scratch / "ingest")
    if "features" in options.figures:
        figure = features.FIGURE.among(options.only)
        yield run(figure, warm / "lake", full / "lake", events, scratch / "features")
    if "inference" in options.figures:
        build(full / "lake", scratch / "training")
        rows = inference.write_model(scratch / "training", scratch / "model")
        model = scratch / "model"
        yield run(inference.FIGURE, model, model, rows, scratch / "inference")
    if "feast-history" in options.figures:
        # Of an optional extra, which takes seconds to import.
        from benchmarks import feast_history  # noqa: PLC0415

        figure = feast_history.FIGURE.among(options.only)
        feast_history.write_question(warm / "lake", warm / "question")
        rows = feast_history.write_question(full / "lake", full / "question")
        yield run(figure, warm / "question", full / "question", rows, scratch / "feast-history")


def _write_log(folder: Path, events: int) -> tuple[int, int]:
    """Raw files and their lake; how many events each has."""
    raw = write_raw(folder / "raw", events)
    report = write_lake(raw_files(folder / "raw"), folder / "lake")
    return raw, report.rows_out


if __name__ == "__main__":
    sys.exit(main())
