"""Reading simulated shops in tests, and stopping their simulation half-way."""

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from benchmarks.shop_figures import read_day
from cartwise.data.simulator.writing import TRUTH_FILE


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def events_of(folder: Path) -> pl.DataFrame:
    """All rows of a simulated log, file after file."""
    return pl.concat(read_day(path) for path in sorted(folder.glob("events-*.csv")))


def truth_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / TRUTH_FILE)


@dataclass
class FailingProgress:
    """Raises an error as soon as the work tells how far it is, and remembers what lay there."""

    error: BaseException
    folder: Path
    seen: list[str] = field(default_factory=list)

    def task(self, name: str, total: int | None, unit: str) -> "FailingProgress":
        return self

    def __enter__(self) -> "FailingProgress":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __call__(self, done: int) -> None:
        self.seen = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
        raise self.error

    def say(self, line: str) -> None:
        return None
