"""``cartwise models``, ``promote`` and ``rollback``: which model serves, and why."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from cartwise.errors import InputError
from cartwise.listing import Listed
from cartwise.model.bundle import Bundle
from cartwise.model.comparison import SliceDifference
from cartwise.model.contest import by_bundle, hold_contest, known_until
from cartwise.model.examples import TrainingSet
from cartwise.model.gate import Check, Decision, GateLimits
from cartwise.model.gate_report import figure_text
from cartwise.model.mlflow_store import Tracking
from cartwise.model.registry import Registry, Version
from cartwise.model.registry import rollback as roll_back
from cartwise.model.settlement import DECISION, Promotion
from cartwise.model.side_by_side import Row, SideBySide, side_by_side
from cartwise.options import GIGABYTE, Events, Json, Memory, Quiet, Seed, TrackingUri, Training
from cartwise.progress import Progress
from cartwise.promotion import Evidence, GateSettings
from cartwise.promotion import promote as promote_version
from cartwise.tables import columns_table, present
from cartwise.terminal import open_progress

REFUSED: Final = 3
"""Exit code where the gate refuses: nothing went wrong, and the champion stays."""

_SHOWN_FEATURES: Final = 15
_CHANGES: Final = ("auc", "average_precision", "log_loss", "brier", "ece", "depth", "rounds")

models = typer.Typer(cls=Listed, invoke_without_command=True, help="Show the registered models.")


@models.callback()
def _models(
    context: typer.Context, tracking_uri: TrackingUri = None, as_json: Json = False
) -> None:
    """Show the registered models: version, aliases, figures, and what the gate decided."""
    if context.invoked_subcommand is None:
        versions = Registry(Tracking(tracking_uri)).versions()
        told = {"versions": [_version_facts(one) for one in versions]}
        present(told, _versions_table(versions), as_json=as_json)


@models.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Alias, number or bundle folder.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Alias, number or bundle folder.")],
    training: Annotated[
        Path | None,
        typer.Option(
            help="Training set: compares both on its test part, slice by slice.",
            show_default=False,
        ),
    ] = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put two models side by side: figures, parameters, features, and slices with --training."""
    registry = Registry(Tracking(tracking_uri))
    with tempfile.TemporaryDirectory(prefix="cartwise-") as scratch:
        one, other = (_bundle(name, registry, Path(scratch)) for name in (first, second))
    found = side_by_side(one, other)
    slices = _slices(one, other, training, open_progress(quiet=quiet)) if training else []
    facts = found.to_json() | {"slices": {one.name: one.relative for one in slices}}
    present(facts, _diff_tables(first, second, found, slices), as_json=as_json)


def promote(
    training: Training,
    events: Events,
    model: Annotated[
        Path | None, typer.Option(help="Bundle to register and promote.", show_default=False)
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Registered version to promote: number or alias.", show_default=False),
    ] = None,
    champion_scores: Annotated[
        Path | None,
        typer.Option(
            help="The champion's scores of these events, where it was made with another "
            "specification.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        float,
        typer.Option(
            min=0.0001, max=0.5, help="How often a model that is no better may be promoted."
        ),
    ] = GateLimits.level,
    age_days: Annotated[
        float, typer.Option(min=0.0, help="Oldest that the newest cart learned from may be.")
    ] = GateLimits.age_days,
    twins: Annotated[
        int,
        typer.Option(
            min=0,
            max=50,
            help="Trainings with other seeds, which take most of the time: two seeds of one recipe "
            "differ by luck, and only others tell how much. 0 for none: luck counts as merit.",
        ),
    ] = GateSettings.twins,
    memory: Memory = 3.0,
    seed: Seed = 7,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Register a model, hold it against the champion, and make it champion if the gate lets it.

    Exits with 0 where it is champion now, with 3 where the gate refuses it, and with 1 where
    that could not be decided. The decision is stored with the version. Each new question on the
    same test carts (another model, champion, seed or number of twins) is a try, and has to show
    more than the one before; the same question again is none.
    """
    registry, progress = Registry(Tracking(tracking_uri)), open_progress(quiet=quiet)
    challenger = _challenger(registry, model, version, training)
    limits = replace(GateLimits(), level=level, age_days=age_days)
    settings = GateSettings(limits, twins, seed=seed, memory_bytes=int(memory * GIGABYTE))
    evidence = Evidence(training, events, champion_scores)
    result = promote_version(
        challenger, evidence, registry, settings, now=datetime.now(UTC), progress=progress
    )
    present(_promotion_facts(result), _promotion_summary(result), as_json=as_json)
    if not result.promoted:
        raise typer.Exit(REFUSED)


def rollback(tracking_uri: TrackingUri = None, as_json: Json = False) -> None:
    """Let the champion before the present one serve again."""
    champion, before = roll_back(Registry(Tracking(tracking_uri)))
    told = f"version {champion.number} is champion again, no longer version {before.number}"
    present({"champion": champion.number, "before": before.number}, told, as_json=as_json)


def _challenger(
    registry: Registry, model: Path | None, version: str | None, training: Path
) -> Version:
    if model is not None and version is None:
        return registry.register(model, training)
    if version is not None and model is None:
        return registry.find(version)
    raise InputError("give one of --model, a bundle's folder, and --version, what is registered")


def _bundle(reference: str, registry: Registry, scratch: Path) -> Bundle:
    if Path(reference).is_dir():
        return Bundle.load(Path(reference))
    return Bundle.load(registry.fetch(registry.find(reference), scratch))


def _slices(
    first: Bundle, second: Bundle, training: Path, progress: Progress
) -> list[SliceDifference]:
    data = TrainingSet.open(training)
    after = max(known_until(first), known_until(second))
    contest = hold_contest(data, second, by_bundle(first), after=after, progress=progress)
    return list(contest.compare().slices)


def _version_facts(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "aliases": list(version.aliases),
        "created": version.created.isoformat(timespec="seconds"),
        **version.tags,
    }


def _versions_table(versions: list[Version]) -> Table:
    table = columns_table("Models", "", "version", "bundle", "learned until", "gate", "registered")
    for one in versions:
        table.add_row(
            " ".join(f"[bold]{alias}[/]" for alias in one.aliases),
            str(one.number),
            one.model_version,
            one.tags.get("learned_until", "")[:10],
            one.tags.get(DECISION, "not asked"),
            f"{one.created:%Y-%m-%d %H:%M}",
        )
    if not versions:
        table.caption = "none yet: 'cartwise promote --model' registers one"
    return table


def _promotion_facts(result: Promotion) -> dict[str, Any]:
    return {
        "version": result.version.number,
        "model_version": result.version.model_version,
        "champion_before": result.before.number if result.before else None,
        "promoted": result.promoted,
        **(result.decision.to_json() if result.decision else {"passed": True, "checks": []}),
    }


def _promotion_summary(result: Promotion) -> RenderableType:
    number = result.version.number
    if result.decision is None:
        return f"version {number} is the champion already"
    verdict = (
        f"[green]version {number} is the champion now[/]"
        if result.promoted
        else f"[red]version {number} is refused[/], the champion stays"
    )
    return Group(_checks_table(result.decision), verdict)


def _checks_table(decision: Decision) -> Table:
    table = columns_table("Gate", "", "figure", "limit")
    table.add_column("told", overflow="fold")
    for check in decision.checks:
        table.add_row(
            _mark(check), figure_text(check.figure), figure_text(check.limit), escape(check.told)
        )
    return table


def _mark(check: Check) -> str:
    return (
        f"[green]✓[/] {escape(check.name)}" if check.passed else f"[red]✗ {escape(check.name)}[/]"
    )


def _diff_tables(
    first: str, second: str, found: SideBySide, slices: list[SliceDifference]
) -> RenderableType:
    names = (first, second)
    metrics = [row for row in found.metrics if row[0] in _CHANGES or row[1] != row[2]]
    tables = [
        _rows_table("Figures", names, metrics),
        _rows_table("Parameters that differ", names, found.parameters),
        _rows_table("Features, by share of the gain", names, found.features[:_SHOWN_FEATURES]),
    ]
    if slices:
        table = columns_table("Slices", "", "carts", "log loss", "standard errors")
        for one in slices:
            deviations = f"{one.log_loss.deviations:+.1f}"
            table.add_row(escape(one.name), f"{one.carts:,}", f"{one.relative:+.2%}", deviations)
        tables.append(table)
    return Group(*tables)


def _rows_table(title: str, names: tuple[str, str], rows: list[Row]) -> Table:
    table = columns_table(title, "", *map(escape, names), "difference")
    for name, first, second in rows:
        table.add_row(escape(name), _text(first), _text(second), _change(first, second))
    return table


def _text(value: Any) -> str:
    return (
        f"{value:,.4g}" if isinstance(value, float) else escape("" if value is None else str(value))
    )


def _change(first: Any, second: Any) -> str:
    numbers = all(isinstance(one, int | float) for one in (first, second))
    return f"{second - first:+.4g}" if numbers and first != second else ""
