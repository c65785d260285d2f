"""Which files gave a lake what it holds, so that nobody mixes two logs without being told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cartwise.counting import counted
from cartwise.data.publication import REPORT
from cartwise.documents import read_document

_MOST: Final = 1000
"""So many are remembered, the latest: a stream's archive gets new ones all the time."""


@dataclass(frozen=True)
class _File:
    path: str


@dataclass(frozen=True)
class _Report:
    sources: tuple[_File, ...]
    earlier: tuple[str, ...] = ()


def earlier_files(lake: Path, now: Iterable[Path]) -> tuple[str, ...]:
    """The files that earlier ingests read into a lake, as they were named, without those of now.

    Raises:
        InputError: the report of the latest ingest is damaged.
    """
    file = lake / REPORT
    if not file.exists():
        return ()
    report = read_document(file, _Report, "delete it: events stay, only names of files are lost")
    held = dict.fromkeys([*report.earlier, *(source.path for source in report.sources)])
    again = {path.resolve() for path in now}
    return tuple(name for name in held if Path(name).resolve() not in again)[-_MOST:]


def told_files(names: Sequence[str]) -> str:
    """``told_files(["a.csv", "b.csv"]) == "2 other files (b.csv, …)"``; the latest is named."""
    rest = ", …" if len(names) > 1 else ""
    return f"{counted(len(names), 'other file')} ({names[-1]}{rest})"
