"""The suspect spans of a lake: what the detector finds now, below what a person decided."""

from pathlib import Path
from typing import NamedTuple

from cartwise.counting import counted
from cartwise.data.gaps import find_gaps
from cartwise.data.lake import OUTAGES
from cartwise.data.log import Log
from cartwise.data.outages import detect, hourly_counts
from cartwise.data.spans import Span, read_spans, reconcile, write_spans
from cartwise.progress import Progress


class Outages(NamedTuple):
    """The spans that count, and the file in which a person decides on them."""

    file: Path
    spans: list[Span]


def known_outages(log: Log, file: Path | None, progress: Progress) -> Outages:
    """Look the log through, bring its outage file up to date, and return what counts.

    ``file`` is by default ``outages.toml`` in the lake; it is written only where it changes.

    Raises:
        InputError: the file is malformed.
        OutputError: the file cannot be written.
    """
    file = file or log.lake / OUTAGES
    hourly = hourly_counts(log)
    known = read_spans(file) if file.exists() else []
    spans = reconcile([*detect(hourly), *find_gaps(hourly)], known)
    if spans != known:
        write_spans(file, spans)
    counting = [span for span in spans if span.status != "ignored"]
    if counting:
        undecided = sum(span.status != "confirmed" for span in counting)
        told = f"{undecided} of them suspect: look at them" if undecided else "all confirmed"
        progress.say(f"carts near {counted(len(counting), 'span')} are left out, {told} ({file})")
    return Outages(file, counting)
