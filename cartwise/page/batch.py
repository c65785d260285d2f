"""The tab *Batch*: a CSV of carts up, the same carts with their scores down."""

import json
import shutil
import tempfile
import time
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any, Final, NamedTuple

import gradio as gr
import polars as pl

from cartwise import wire
from cartwise.counting import counted
from cartwise.data.contract import accepted_by, column_of
from cartwise.data.file_signatures import oddity_of, require_columns
from cartwise.data.refusals import Example, printable, shortened
from cartwise.errors import ApiError, InputError, RefusedMessage
from cartwise.events import COLUMNS, EVENT_TYPES
from cartwise.model.policy import WITHOUT_PRICES
from cartwise.page.client import Client
from cartwise.page.hindsight import seconds_after
from cartwise.page.markup import error, figures, note, table, warning

MOST_ROWS: Final = 20_000
SHOWN_TYPES: Final = 8
KEPT_SECONDS: Final = 3600
"""So long a scored file can be fetched."""
OTHER_TYPES: Final = frozenset(EVENT_TYPES) - {"cart"}
_NEEDED: Final = ("event_time", "product_id", "price", "user_id")

Row = dict[str, str | None]


class Batch(NamedTuple):
    """Carts of a file: their lines, as the API takes them; rows of each type; by rule, how many
    rows broke it, and the first of them."""

    lines: list[int]
    carts: list[dict[str, Any]]
    types: Counter[str]
    broken: Counter[str]
    examples: dict[str, Example]

    @property
    def passed_over(self) -> int:
        """Rows of other types."""
        return sum(self.types[kind] for kind in OTHER_TYPES)

    @property
    def bad(self) -> int:
        """Rows that broke any rule."""
        return self.types.total() - len(self.carts) - self.passed_over


def batch_tab(client: Client, folder: Path) -> None:
    """Build the tab; scored carts lie in ``folder`` to be fetched."""
    gr.Markdown(
        "A CSV with the columns of the shop's log, `event_type` may be missing. Rows of other "
        f"types are passed over, rules that carts break are listed. Up to {MOST_ROWS:,} rows."
    )
    given = gr.File(label="Carts (CSV)", file_types=[".csv"], type="filepath")
    told = gr.HTML(elem_id="batch")
    scored = gr.DownloadButton("Download the scored carts", visible=False, variant="primary")

    def run(path: str | None) -> tuple[str, Any]:
        if path is None:
            return "", gr.DownloadButton(visible=False)
        try:
            batch = read_batch(Path(path))
            if not batch.carts:
                return _without_carts(batch), gr.DownloadButton(visible=False)
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
    _require_columns(frame.columns, path)
    if frame.height > MOST_ROWS:
        raise InputError(
            f"the file has {frame.height:,} rows: give at most {MOST_ROWS:,} at a time"
        )
    batch = Batch([], [], Counter(), Counter(), {})
    for line, row in enumerate(frame.iter_rows(named=True), start=2):
        try:
            _sort(line, row, batch)
        except RefusedMessage as refused:
            batch.broken.update(refused.rules)
            for rule in refused.rules:
                batch.examples.setdefault(rule, _example(path, line, row, rule))
    return batch


def _require_columns(names: list[str], path: Path) -> None:
    if len(names) == 1 and names[0] not in COLUMNS:
        raise InputError(f"this is no CSV of carts: {oddity_of(','.join(names).encode())}")
    require_columns(names, Path(path.name), _NEEDED)


def _sort(line: int, row: Row, batch: Batch) -> None:
    """Put a row where it belongs; raises RefusedMessage where it breaks rules."""
    fields = {name: row.get(name) for name in COLUMNS}
    kind = row.get("event_type") or "cart"
    batch.types[kind] += 1
    if kind in OTHER_TYPES:
        return
    event = wire.decode_event(json.dumps(fields | {"event_type": kind}).encode())
    cart = json.loads(wire.encode_event(event))
    del cart["event_type"]
    batch.lines.append(line)
    batch.carts.append(cart)


def _example(path: Path, line: int, row: Row, rule: str) -> Example:
    column = column_of(rule)
    value = row.get(column) if column else ",".join(field or "" for field in row.values())
    return Example(path.name, "line", line, shortened(value or ""), accepted_by(rule))


def score_batch(client: Client, batch: Batch) -> pl.DataFrame:
    """The carts with their lines, and what the API answered, no decision without a price."""
    answers = client.try_all(batch.carts)
    decisions = [one["decision"] if one["decision"]["reckoned_price"] else {} for one in answers]
    return pl.DataFrame(batch.carts, infer_schema_length=None).with_columns(
        pl.Series("line", batch.lines),
        pl.Series("probability", [one["probability"] for one in answers]),
        pl.Series("nudge", [one.get("nudge") for one in decisions], pl.Boolean),
        pl.Series("expected_value", [one.get("expected_value") for one in decisions], pl.Float64),
        pl.Series("model_version", [one["model_version"] for one in answers]),
        pl.Series("in_hindsight", [seconds_after(one["features"]) > 0 for one in answers]),
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
        ("bad rows", f"{batch.bad:,}"),
    ]
    told = note(_counts(batch)) + _unpriced(frame) + _hindsight(frame)
    return figures(facts) + told + _bad(batch)


def _unpriced(frame: pl.DataFrame) -> str:
    """Of how many carts no decision can be told."""
    if not (carts := frame["nudge"].null_count()):
        return ""
    return warning(f"No price is known for {counted(carts, 'cart')}. {WITHOUT_PRICES}")


def _hindsight(frame: pl.DataFrame) -> str:
    """That scores know what came after their carts, as that of a single cart is told, too."""
    if not (known := int(frame["in_hindsight"].sum())):
        return ""
    return warning(
        f"In hindsight: {known:,} of {counted(frame.height, 'score')}. The store knows what came "
        "after the cart, and so does such a score: it is not what was said when the cart came. The "
        "file marks it (in_hindsight)."
    )


def _without_carts(batch: Batch) -> str:
    """What a file holds in the place of carts that can be scored."""
    told = "the file holds no row below its first line"
    if batch.types["cart"]:
        told = "none of the file's carts can be scored: each breaks a rule, which stands below"
    elif batch.types:
        found = [f"{kind[:40]} ({rows:,})" for kind, rows in batch.types.most_common(SHOWN_TYPES)]
        told = f"no row is a cart: its event_type would be 'cart', but there are {', '.join(found)}"
    return error(InputError(told)) + _bad(batch)


def _bad(batch: Batch) -> str:
    """By rule, how many rows broke it, the first of them, and what would have been taken."""
    if not batch.bad:
        return ""
    rows = []
    for rule, count in batch.broken.most_common():
        first = batch.examples[rule]
        such_as = f"line {first.line}: '{printable(first.value)}'"
        rows.append((rule, f"{count:,}", escape(such_as), escape(first.accepted)))
    return table("Bad rows", ("rule", "rows", "such as", "accepted"), rows)


def _counts(batch: Batch) -> str:
    scored = f"{counted(len(batch.carts), 'cart')} scored"
    if not batch.passed_over:
        return scored
    return f"{scored}, {counted(batch.passed_over, 'row')} of other types passed over"
