"""What to do about a log that holds no cart with a session."""

from pathlib import Path

from cartwise.counting import counted
from cartwise.data import quarantine
from cartwise.data.contract import TYPE_RULE, column_of
from cartwise.data.ingest_report import IngestReport
from cartwise.data.log import Log
from cartwise.data.outages import hourly_counts
from cartwise.data.publication import REPORT
from cartwise.data.refusals import Example
from cartwise.documents import read_document
from cartwise.errors import InputError


def what_to_do(log: Log) -> str:
    """Sessions to fill in, or carts to give; and where carts may be among what was refused."""
    carts = _carts(log)
    first = (
        f"user_session is empty in {counted(carts, 'cart')}: fill it in, and ingest the log into a "
        "new folder"
        if carts
        else "give a log with carts"
    )
    return f"{first}{_refused(log.lake)}"


def _carts(log: Log) -> int:
    # Each of them lacks a session: otherwise nobody would ask.
    return int(hourly_counts(log)["carts"].sum())


def _refused(lake: Path) -> str:
    """What most of the refused rows broke, to go on with; empty where nothing is known of any."""
    try:
        most = quarantine.most_broken(lake)
    except InputError:
        # Whoever asks for carts is not helped by a quarantine that is damaged.
        return ""
    if most is None:
        return ""
    told = (
        f"; the ingest refused {counted(most.rows, 'row')} because of "
        f"{column_of(most.rule) or most.rule}, such as {Example.kept(most)}"
    )
    if most.rule != TYPE_RULE:
        return told
    return (
        f"{told}{_by_type(lake, most.rows)}: if one of these types is your cart, call it 'cart' in "
        "the log, and ingest it again"
    )


def _by_type(lake: Path, rows: int) -> str:
    """The types of so many refused rows, where the latest ingest refused them all."""
    try:
        report = read_document(lake / REPORT, IngestReport, "")
    except InputError:
        return ""
    are_all = report.unknown_types and report.by_rule.get(TYPE_RULE) == rows
    return f"; by type: {report.types()}" if are_all else ""
