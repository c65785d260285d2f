"""Sets a simulated log beside the published figures of the public one.

``python -m benchmarks.simulated_shop`` simulates, measures and prints the tables;
``--page docs/simulator.md`` also writes them into that page, between its two markers.
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from benchmarks import shop_figures
from benchmarks.shop_figures import Figure, Log, Truth
from cartwise.data.simulate import SimulationReport, simulate

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Run:
    """One simulation and what it cost."""

    sessions: int
    report: SimulationReport
    seconds: float
    processor_seconds: float
    """Of all threads: what other work on the machine does not change."""
    peak_bytes: int


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 1 where a figure is farther from the published one than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as scratch:
        run = simulated(Path(scratch) / "shop", options.sessions, options.seed)
        log = Log.read(Path(scratch) / "shop")
    measured = shop_figures.figures(log)
    text = tables(run, log, measured)
    print(text)
    if options.page:
        write_into(options.page, text)
    return 0 if all(figure.holds for figure in measured) else 1


def simulated(out: Path, sessions: int, seed: int) -> Run:
    """Simulate 28 days of a shop."""
    begun, begun_processor = time.perf_counter(), time.process_time()
    report = simulate(out, sessions=sessions, seed=seed)
    seconds, processor = time.perf_counter() - begun, time.process_time() - begun_processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Run(sessions, report, seconds, processor, peak)


def tables(run: Run, log: Log, measured: list[Figure]) -> str:
    """All tables as Markdown."""
    truth = shop_figures.truth_against_outcomes(log)
    parts = [
        _run_table(run, truth),
        "### Figures\n\n" + _figure_table(measured),
        "### Hours (UTC)\n\n" + _frame_table(shop_figures.hours(log), 2),
        "### The most viewed categories\n\n" + _frame_table(shop_figures.categories(log, 15), 1),
        "### The most viewed brands\n\n" + _frame_table(shop_figures.brands(log, 15), 1),
    ]
    return "\n\n".join(parts)


def write_into(page: Path, text: str, begin: str = BEGIN, end: str = END) -> None:
    """Replace what stands between the markers."""
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def _run_table(run: Run, truth: Truth) -> str:
    report = run.report
    rows = [
        ("sessions asked for", f"{run.sessions:,}"),
        ("events", f"{report.events:,}"),
        *((f"of type {name}", f"{count:,}") for name, count in report.by_type.items() if count),
        ("carts (rows of the truth)", f"{report.carts:,}"),
        ("of these, with a whole day after them", f"{truth.carts:,}"),
        ("bought within 24 hours", f"{truth.base_rate:.4f}"),
        ("mean of the true probability", f"{truth.mean_probability:.4f}"),
        ("AUC of the true probability (the ceiling)", f"{truth.auc:.4f}"),
        ("calibration error of the truth, ten bins", f"{truth.calibration_error:.4f}"),
        ("events per second, start and writing included", f"{report.events / run.seconds:,.0f}"),
        ("events per second of processor", f"{report.events / run.processor_seconds:,.0f}"),
        ("peak memory", f"{run.peak_bytes / 1e6:,.0f} MB"),
    ]
    return _table(("this run", ""), rows)


def _figure_table(measured: list[Figure]) -> str:
    rows = ((f.name, _number(f.published), _number(f.simulated)) for f in measured)
    return _table(("figure", "published", "simulated"), rows)


def _frame_table(frame: pl.DataFrame, decimals: int) -> str:
    rows = (
        tuple(f"{cell:.{decimals}f}" if isinstance(cell, float) else str(cell) for cell in row)
        for row in frame.fill_nan(None).rows()
    )
    return _table(tuple(name.replace("_", " ") for name in frame.columns), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rule = ("---", *("---:" for _ in head[1:]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or float(value).is_integer() else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main())
