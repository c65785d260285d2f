"""``cartwise keys``."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cartwise.disk import writable
from cartwise.listing import Listed
from cartwise.options import DEFAULT_KEYS, Json, Keys
from cartwise.serving.keys import Keyring, Scope
from cartwise.tables import columns_table, facts_table, present

keys = typer.Typer(
    cls=Listed, help="API keys: make them, list them, revoke them.", no_args_is_help=True
)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it, for you to know.")],
    scope: Annotated[
        list[Scope],
        typer.Option(
            help="What it may do; give it more than once for more. score: carts. events: send "
            "events. read: look at models and scores. admin: look for newer models.",
            show_default=False,
        ),
    ],
    file: Keys = DEFAULT_KEYS,
    as_json: Json = False,
) -> None:
    """Make a key and print it. It is shown this one time: the file keeps only its hash."""
    with _locked(file):
        ring, text = Keyring.read(file).with_new(name, scope, datetime.now(UTC))
        ring.write(file)
    facts = {"key": text, "name": name, "scopes": sorted(scope), "file": str(file)}
    rows = [("key", text), ("scopes", ", ".join(sorted(scope))), ("file", str(file))]
    present(facts, facts_table(f"Key of {name}: shown this once", rows), as_json=as_json)


@keys.command(name="list")
def list_(file: Keys = DEFAULT_KEYS, as_json: Json = False) -> None:
    """List all keys, without what would open anything."""
    ring = Keyring.read(file)
    table = columns_table("Keys", "id", "name", "scopes", "created", "revoked")
    for key in ring:
        table.add_row(key.id, key.name, ", ".join(sorted(key.scopes)), key.created, key.revoked)
    facts = [key.to_json() for key in ring]
    for one in facts:
        del one["sha256"]
    present({"keys": facts}, table, as_json=as_json)


@keys.command()
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the key: 'cartwise keys list'.")],
    file: Keys = DEFAULT_KEYS,
    as_json: Json = False,
) -> None:
    """Let a key open nothing any more; running servers know within a second."""
    with _locked(file):
        Keyring.read(file).without(id_, datetime.now(UTC)).write(file)
    present({"revoked": id_}, f"key {id_} is revoked", as_json=as_json)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keep two commands from changing the same file at the same time."""
    with writable(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_name(f".{file.name}.lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
