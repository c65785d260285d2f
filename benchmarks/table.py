"""A figure as a table to read."""

from rich import box
from rich.table import Table

from benchmarks.contest import Cost
from benchmarks.figure import Line, Outcome


def table(outcome: Outcome) -> Table:
    """One row per contestant: speed, seconds by the clock and of processors, peak memory, and time
    and processor time as multiples of Cartwise's beside the target."""
    figure = outcome.figure
    shown = Table(
        title=f"{figure.name}: {outcome.units:,} {figure.unit}",
        caption="\n".join([figure.job, *_absences(outcome)]),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shown.add_column("", no_wrap=True)
    for column in (f"{figure.unit}/s", "seconds", "CPU s", "MiB", "x time", "x CPU", "target"):
        shown.add_column(column, justify="right", no_wrap=True)
    for line in outcome.lines:
        if line.cost is not None:
            shown.add_row(line.contestant, *_cells(outcome, line, line.cost))
    return shown


def _cells(outcome: Outcome, line: Line, cost: Cost) -> tuple[str, ...]:
    target = outcome.figure.targets.get(line.contestant)
    return (
        f"{outcome.units / cost.seconds:,.0f}",
        f"{cost.seconds:.2f}",
        f"{cost.cpu_seconds:.2f}",
        f"{cost.peak_bytes / 2**20:,.0f}",
        f"{outcome.times(line, 'seconds'):.1f}",
        f"{outcome.times(line, 'cpu_seconds'):.1f}",
        "" if target is None else f"{target:g}",
    )


def _absences(outcome: Outcome) -> list[str]:
    absent = [line for line in outcome.lines if line.absence]
    return [f"{line.contestant} is not measured: {line.absence}" for line in absent]
