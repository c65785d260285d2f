"""Which files gave a lake what it holds, so that nobody mixes two logs without being told."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cartwise.counting import counted
from cartwise.data.publication import REPORT
from cartwise.documents import read_document

MOST: Final = 1000
"""So many are remembered, the latest."""


@dataclass(frozen=True)
class _Report:
    held: tuple[str, ...] = ()


def held_files(lake: Path) -> tuple[str, ...]:
    """The files that gave a lake its events, each by its path from the lake's folder.

    Raises:
        InputError: the report of the latest ingest is damaged.
    """
    file = lake / REPORT
    if not file.exists():
        return ()
    remedy = "delete it: events stay, only names of files are lost"
    return read_document(file, _Report, remedy).held


def joined(held: Iterable[str], lake: Path, fresh: Iterable[Path]) -> tuple[str, ...]:
    """What a lake holds with more files."""
    names = (name_in(lake, path) for path in fresh)
    return tuple(dict.fromkeys([*held, *names]))[-MOST:]


def name_in(lake: Path, path: Path) -> str:
    """The path of a file from a lake's folder."""
    # It means the same wherever the next call is typed, and wherever a checkout lies.
    return os.path.relpath(path.resolve(), lake.resolve())


def by_new_names(
    held: Iterable[str], known: Mapping[str, str], now: Mapping[str, str]
) -> tuple[str, ...]:
    """What a lake holds, after files that it knows got other names; both by digest."""
    new = {known[digest]: name for digest, name in now.items() if digest in known}
    return tuple(dict.fromkeys(new.get(name, name) for name in held))


def other_files(held: Iterable[str], lake: Path, now: Iterable[Path]) -> tuple[str, ...]:
    """The files that a lake holds beside those of now, as one would name them here."""
    again = {path.resolve() for path in now}
    paths = (Path(os.path.normpath(lake.resolve() / name)) for name in held)
    return tuple(_named_here(path) for path in paths if path not in again)


def _named_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def told_files(names: Sequence[str]) -> str:
    """``told_files(["a.csv", "b.csv"]) == "2 other files (b.csv, …)"``; the latest is named."""
    rest = ", …" if len(names) > 1 else ""
    return f"{counted(len(names), 'other file')} ({names[-1]}{rest})"
