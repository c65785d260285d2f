"""A figure as a table to read."""

from rich.table import Table

from benchmarks.figure import Line, Outcome


def table(outcome: Outcome) -> Table:
    """One row per contestant: speed, seconds by the clock and of processors, peak memory, and time
    and processor time as multiples of Cartwise's beside the target."""
    figure = outcome.figure
    shown = Table(
        title=f"{figure.name}: {outcome.units:,} {figure.unit}",
        caption="\n".join([figure.job, *_absences(outcome)]),
    )
    shown.add_column("contestant", no_wrap=True)
    for column in (f"{figure.unit}/s", "seconds", "CPU", "MiB", "x time", "x CPU", "target"):
        shown.add_column(column, justify="right", no_wrap=True)
    for line in outcome.lines:
        shown.add_row(line.contestant, *_cells(outcome, line))
    return shown


def _cells(outcome: Outcome, line: Line) -> tuple[str, ...]:
    if line.cost is None:
        return ("not measured",)
    target = outcome.figure.targets.get(line.contestant)
    return (
        f"{outcome.units / line.cost.seconds:,.0f}",
        f"{line.cost.seconds:.2f}",
        f"{line.cost.cpu_seconds:.2f}",
        f"{line.cost.peak_bytes / 2**20:,.0f}",
        f"{outcome.times(line, 'seconds'):.1f}",
        f"{outcome.times(line, 'cpu_seconds'):.1f}",
        "" if target is None else f"{target:g}",
    )


def _absences(outcome: Outcome) -> list[str]:
    return [f"{line.contestant}: {line.absence}" for line in outcome.lines if line.absence]
