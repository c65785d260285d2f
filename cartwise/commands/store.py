"""``cartwise store``: look into a store of states."""

import math
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.packed import Packing
from cartwise.listing import Listed
from cartwise.options import DEFAULT_STORE_URL, Json, StoreUrl
from cartwise.store import Position, open_existing_store
from cartwise.store.comparison import Comparison, compare
from cartwise.store.dump import dump as dump_states
from cartwise.store.protocol import Store
from cartwise.store.readings import latest_event
from cartwise.tables import columns_table, facts_table, present

store = typer.Typer(cls=Listed, no_args_is_help=True, help="Look into a store of states.")

At = Annotated[
    datetime | None,
    typer.Option(
        metavar="TIME",
        help="Moment at which values are read (UTC): 2019-11-08 or 2019-11-08T12:00:00.",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        show_default="that of the latest event",
    ),
]


@store.command()
def info(store_url: StoreUrl = DEFAULT_STORE_URL, as_json: Json = False) -> None:
    """Count what a store holds: states and bytes by entity, and where its sources stand."""
    with closing(open_existing_store(store_url, SPECIFICATION)) as opened:
        opened.check()
        facts = store_facts(opened)
    present(facts, store_summary(facts), as_json=as_json)


@store.command()
def dump(
    out: Annotated[Path, typer.Option(help="Parquet file to write.", show_default=False)],
    store_url: StoreUrl = DEFAULT_STORE_URL,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Write all states to a Parquet file, every value by its name, as of one moment."""
    with closing(open_existing_store(store_url, SPECIFICATION)) as opened:
        opened.check()
        time = _seconds(at, opened)
        states = dump_states(opened, SPECIFICATION, out, time=time)
    facts = {"states": states, "at": _moment(time), "out": str(out)}
    told = escape(f"{states:,} states as of {_moment(time)} written to {out}")
    present(facts, told, as_json=as_json)


@store.command()
def diff(
    url_a: Annotated[str, typer.Argument(help="A store.", show_default=False)],
    url_b: Annotated[str, typer.Argument(help="Another one.", show_default=False)],
    at: At = None,
    as_json: Json = False,
) -> None:
    """Compare two stores; exit code 1 where a value differs by more than a billionth of it.

    Where the sources of each stand is told, and not compared: the same events may have come by
    other ways.
    """
    with (
        closing(open_existing_store(url_a, SPECIFICATION)) as one,
        closing(open_existing_store(url_b, SPECIFICATION)) as other,
    ):
        one.check()
        other.check()
        time = _seconds(at, one, other)
        found = compare(one, other, SPECIFICATION, time=time)
        positions = [one.positions(), other.positions()]
    facts = diff_facts(found, positions, time)
    present(facts, diff_summary(facts), as_json=as_json)
    if found.different:
        raise typer.Exit(1)


def store_facts(opened: Store) -> dict[str, Any]:
    """Counts by entity, and positions by source."""
    states: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for some in opened.scan():
        for key, state in some:
            states[key[0]] += 1
            sizes[key[0]] += len(key) + len(state)
    return {
        "fingerprint": SPECIFICATION.fingerprint,
        "states": states.total(),
        "bytes": sizes.total(),
        "entities": {
            entity.name: {"states": states[place], "bytes": sizes[place]}
            for place, entity in enumerate(SPECIFICATION.entities)
        },
        "sources": _sources(opened.positions()),
    }


def store_summary(facts: dict[str, Any]) -> RenderableType:
    """What a store holds."""
    table = columns_table(f"States of {facts['fingerprint']}", "", "states", "bytes", "bytes each")
    rows = {**facts["entities"], "together": facts}
    for name, row in rows.items():
        each = f"{row['bytes'] / row['states']:.0f}" if row["states"] else ""
        table.add_row(name, f"{row['states']:,}", f"{row['bytes']:,}", each)
    return Group(table, "", _sources_table("Sources", facts["sources"]))


def diff_facts(
    found: Comparison, positions: list[dict[str, Position]], time: int
) -> dict[str, Any]:
    """What a comparison found, and where the sources of both stores stand."""
    applied = [sum(one.applied for one in of_one.values()) for of_one in positions]
    return {
        "at": _moment(time),
        "compared": found.compared,
        "different": found.different,
        "differences": [_json(asdict(one)) for one in found.shown],
        "applied": applied,
        "sources": list(map(_sources, positions)),
    }


def diff_summary(facts: dict[str, Any]) -> RenderableType:
    """What differs, if anything does, and how far each store has come."""
    verdict = f"{facts['different']:,} of {facts['compared']:,} states differ" + (
        f" as of {facts['at']}" if facts["different"] else ""
    )
    table = columns_table("", "", "key", "value", "A", "B")
    for one in facts["differences"]:
        sides = (_side(one["name"], one[side]) for side in ("ours", "theirs"))
        table.add_row(one["entity"], escape(one["key"]), one["name"], *sides)
    sources = [
        _sources_table(f"Sources of {name}", of_one)
        for name, of_one in zip("AB", facts["sources"], strict=True)
    ]
    shown = [table] if facts["differences"] else []
    applied = "Events applied: {:,} and {:,}".format(*facts["applied"])
    return Group(verdict, *shown, applied, "", *sources)


def _side(name: str, value: float | None) -> str:
    if value is None:
        return "none"
    return _moment(int(value)) if name == "last_event" else f"{value}"


def _sources(positions: dict[str, Position]) -> dict[str, dict[str, Any]]:
    return {
        source: {**asdict(one), "watermark": _moment(one.watermark)}
        for source, one in sorted(positions.items())
    }


def _sources_table(title: str, sources: dict[str, dict[str, Any]]) -> RenderableType:
    if not sources:
        return facts_table(title, [("none", "no source has been followed")])
    columns = ("offset", "applied", "duplicates", "late", "watermark")
    table = columns_table(title, "", *columns)
    for source, one in sources.items():
        cells = (f"{one[name]:,}" for name in columns[:-1])
        table.add_row(escape(source), *cells, one["watermark"])
    return table


def _seconds(at: datetime | None, *stores: Store) -> int:
    if at is not None:
        return int(at.replace(tzinfo=UTC).timestamp())
    return latest_event(Packing(SPECIFICATION), *stores)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(facts: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in facts.items()
    }
