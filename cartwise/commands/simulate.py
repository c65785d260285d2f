"""``cartwise simulate``."""

from dataclasses import asdict
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import RenderableType

from cartwise.data.simulate import FIRST_DAY, Outage, SimulationReport
from cartwise.data.simulate import simulate as simulate_shop
from cartwise.data.simulator.writing import Format
from cartwise.options import Json, Out, Quiet, Seed
from cartwise.tables import facts_table, present
from cartwise.terminal import open_progress

_FIRST: Final = datetime.combine(FIRST_DAY, time())


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
    present(asdict(report), simulation_summary(report, out), as_json=as_json)


def simulation_summary(report: SimulationReport, out: Path) -> RenderableType:
    """What was simulated."""
    rows = [("events", f"{report.events:,}")]
    rows += [(f"  {kind}", f"{number:,}") for kind, number in report.by_type.items()]
    rows.append(("carts, of a visit and product", f"{report.carts:,}"))
    if report.unrecorded_purchases:
        rows.append(("purchases lost in the outage", f"{report.unrecorded_purchases:,}"))
    return facts_table(
        "Simulated log", [*rows, ("folder", str(out)), ("truth", str(out / "truth.parquet"))]
    )
