"""``python -m benchmarks.long_log``: Cartwise alone on a log that does not fit into memory."""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks import features, ingest, machine
from benchmarks.figure import Figure, run
from benchmarks.rawlog import write_raw
from benchmarks.table import table
from cartwise.data.ingest import ingest as write_lake

WARM_UP_EVENTS = 20_000


def main() -> int:
    """Simulate the log, then print a table for ingest and one for features."""
    options = _options()
    console = Console(highlight=False, width=100)
    with tempfile.TemporaryDirectory(prefix="cartwise-long-", dir=options.scratch) as name:
        scratch = Path(name)
        warm, full = scratch / "warm", scratch / "full"
        write_raw(warm, WARM_UP_EVENTS)
        write_lake(sorted(warm.glob("*.csv")), scratch / "warm-lake")
        began = time.monotonic()
        events = write_raw(full, options.events)
        console.print(f"Simulated {events:,} events in {time.monotonic() - began:,.0f} s.")
        console.print(table(run(_alone(ingest.FIGURE), warm, full, events, scratch / "ingest")))
        lake = scratch / "ingest" / ingest.FIGURE.contestants[0].name
        outcome = run(_alone(features.FIGURE), scratch / "warm-lake", lake, events, scratch / "f")
        console.print(table(outcome))
    facts = machine.describe()
    console.print("Measured on " + ", ".join(f"{name} {fact}" for name, fact in facts.items()))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_log", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000_000, help="about so many events")
    parser.add_argument("--scratch", type=Path, help="folder with 30 GB to spare")
    return parser.parse_args()


def _alone(figure: Figure) -> Figure:
    return replace(figure, contestants=figure.contestants[:1], require_equal=_has_no_peer)


def _has_no_peer(_ours: Path, _theirs: Path) -> None:
    """Nothing to compare with."""


if __name__ == "__main__":
    sys.exit(main())
