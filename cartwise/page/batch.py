"""The tab *Batch*: a CSV of carts up, the same carts with their scores down."""

import json
import shutil
import tempfile
import time
from html import escape
from pathlib import Path
from typing import Any, Final, NamedTuple

import gradio as gr
import polars as pl

from cartwise import wire
from cartwise.counting import counted
from cartwise.data.file_signatures import oddity_of
from cartwise.errors import ApiError, InputError, RefusedMessage
from cartwise.events import COLUMNS, EVENT_TYPES
from cartwise.page.client import Client
from cartwise.page.markup import error, figures, note, table

MOST_ROWS: Final = 20_000
SHOWN: Final = 50
KEPT_SECONDS: Final = 3600
"""So long a scored file can be fetched."""
OTHER_TYPES: Final = frozenset(EVENT_TYPES) - {"cart"}
_NEEDED: Final = ("event_time", "product_id", "price", "user_id")


class Batch(NamedTuple):
    """Carts of a file: their lines, as the API takes them; lines of other types; what is bad."""

    lines: list[int]
    carts: list[dict[str, Any]]
    others: list[int]
    bad: list[tuple[int, str]]


def batch_tab(client: Client, folder: Path) -> None:
    """Build the tab; scored carts lie in ``folder`` to be fetched."""
    gr.Markdown(
        "A CSV with the columns of the shop's log, `event_type` may be missing. Rows of other "
        f"types are passed over, carts that break a rule are listed. Up to {MOST_ROWS:,} rows."
    )
    given = gr.File(label="Carts (CSV)", file_types=[".csv"], type="filepath")
    told = gr.HTML(elem_id="batch")
    scored = gr.DownloadButton("Download the scored carts", visible=False, variant="primary")

    def run(path: str | None) -> tuple[str, Any]:
        if path is None:
            return "", gr.DownloadButton(visible=False)
        try:
            batch = read_batch(Path(path))
            frame = score_batch(client, batch)
        except (ApiError, InputError) as problem:
            return error(problem), gr.DownloadButton(visible=False)
        made = write_download(frame, folder, time.time())
        return _told(batch, frame), gr.DownloadButton(value=str(made), visible=True)

    given.change(run, given, [told, scored], api_visibility="private", show_progress="full")


def read_batch(path: Path) -> Batch:
    """Read a CSV, leniently by row.

    Raises:
        InputError: it is no CSV, lacks columns, or is too long.
    """
    try:
        frame = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True, glob=False)
    except (pl.exceptions.PolarsError, OSError) as problem:
        reason = str(problem).splitlines()[0]
        raise InputError(f"this is no CSV in UTF-8 with a header ({reason})") from problem
    _require_columns(frame.columns)
    if frame.height > MOST_ROWS:
        raise InputError(
            f"the file has {frame.height:,} rows: give at most {MOST_ROWS:,} at a time"
        )
    batch = Batch([], [], [], [])
    for line, row in enumerate(frame.iter_rows(named=True), start=2):
        _sort(line, row, batch)
    return batch


def _require_columns(names: list[str]) -> None:
    if len(names) == 1 and names[0] not in COLUMNS:
        raise InputError(f"this is no CSV of carts: {oddity_of(','.join(names).encode())}")
    if missing := [name for name in _NEEDED if name not in names]:
        raise InputError(
            f"the file lacks the column(s) {', '.join(missing)}: add or rename them, "
            "its first line names columns"
        )


def _sort(line: int, row: dict[str, str | None], batch: Batch) -> None:
    fields = {name: row.get(name) for name in COLUMNS} | {
        "event_type": row.get("event_type", "cart")
    }
    if fields["event_type"] in OTHER_TYPES:
        batch.others.append(line)
        return
    if fields["event_type"] not in ("cart", None, ""):
        batch.bad.append((line, f"is no cart but: {fields['event_type']}"))
        return
    try:
        event = wire.decode_event(json.dumps(fields | {"event_type": "cart"}).encode())
    except RefusedMessage as refused:
        batch.bad.append((line, "breaks " + ", ".join(refused.rules)))
        return
    cart = json.loads(wire.encode_event(event))
    del cart["event_type"]
    batch.lines.append(line)
    batch.carts.append(cart)


def score_batch(client: Client, batch: Batch) -> pl.DataFrame:
    """The carts with the columns probability, nudge, expected_value and model_version."""
    if not batch.carts:
        raise InputError("no row of the file is a cart that keeps the rules: see the columns above")
    answers = client.try_all(batch.carts)
    return pl.DataFrame(batch.carts, infer_schema_length=None).with_columns(
        pl.Series("line", batch.lines),
        pl.Series("probability", [one["probability"] for one in answers]),
        pl.Series("nudge", [one["decision"]["nudge"] for one in answers]),
        pl.Series("expected_value", [one["decision"]["expected_value"] for one in answers]),
        pl.Series("model_version", [one["model_version"] for one in answers]),
    )


def write_download(frame: pl.DataFrame, folder: Path, now: float) -> Path:
    """A file to be fetched from ``folder``, where those of more than an hour ago are removed.

    ``now`` is in seconds since the Unix epoch.
    """
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if old.stat().st_mtime < now - KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    path = Path(tempfile.mkdtemp(dir=folder)) / "scored.csv"
    frame.write_csv(path)
    return path


def _told(batch: Batch, frame: pl.DataFrame) -> str:
    nudged = int(frame["nudge"].sum())
    facts = [
        ("scored", f"{frame.height:,}"),
        ("worth a nudge", f"{nudged:,}"),
        ("bad rows", f"{len(batch.bad):,}"),
    ]
    told = figures(facts) + note(_counts(batch))
    if not batch.bad:
        return told
    rows = [(str(line), escape(why)) for line, why in batch.bad[:SHOWN]]
    return told + table("Bad rows", ("line", "why it was left out"), rows)


def _counts(batch: Batch) -> str:
    scored = f"{counted(len(batch.carts), 'cart')} scored"
    if not batch.others:
        return scored
    return f"{scored}, {counted(len(batch.others), 'row')} of other types passed over"
