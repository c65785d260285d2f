"""What a person sees while work goes on: bars on a terminal, plain lines elsewhere; on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from cartwise.counting import counted
from cartwise.progress import SILENT, Advance, Progress

SECONDS_BETWEEN_LINES: Final = 10.0

_WORDS: Final = 74
"""What a line with a bar takes beside the bar, in characters; the speed is a good part of it."""
_SPEED: Final = 80
"""A narrower terminal is not told it."""
_TELLING: Final = 0.05
"""Before this share is done, the time left is anybody's guess: programs are compiled at first."""


def open_progress(*, quiet: bool = False) -> Progress:
    """The progress that suits where stderr leads to."""
    if quiet:
        return SILENT
    return BarProgress(Console(stderr=True)) if sys.stderr.isatty() else LineProgress()


def amount(number: float, unit: str) -> str:
    """A number as people say it: ``amount(1_234_000, "event") == "1.2 M events"``."""
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {prefix} {unit}s"
    return counted(round(number), unit)


def _at(speed: float, unit: str) -> str:
    """A speed, with what parts it from what stands before; empty where it would be told as 0."""
    return f", {amount(speed, unit)}/s" if speed >= 1 else ""


class BarProgress:
    """A bar for each task, with its speed and the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, name: str, total: int | None, unit: str) -> Iterator[Advance]:
        width = self._console.width
        columns = (
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<24}"),
            BarColumn(min(32, max(4, width - _WORDS))),
            _Done(with_speed=width >= _SPEED),
            _Left(elapsed_when_finished=True),
        )
        with Bars(*columns, console=self._console) as bars:
            task = bars.add_task(name, total=total, unit=unit)
            yield lambda done: bars.advance(task, done)
            bars.update(task, total=bars.tasks[0].completed)

    def say(self, line: str) -> None:
        self._console.print(f"  {line}", highlight=False, markup=False)


class _Done(ProgressColumn):
    def __init__(self, *, with_speed: bool) -> None:
        super().__init__()
        self._with_speed = with_speed

    def render(self, task: Task) -> Text:
        unit = task.fields["unit"]
        speed = (task.finished_speed or task.speed or 0.0) if self._with_speed else 0.0
        return Text(f"{amount(task.completed, unit)}{_at(speed, unit)}", style="cyan")


class _Left(TimeRemainingColumn):
    def render(self, task: Task) -> Text:
        is_early = not task.finished and task.percentage < 100 * _TELLING
        return Text("-:--:--", style="progress.remaining") if is_early else super().render(task)


class LineProgress:
    """A line at the end of each task, and every ten seconds until then."""

    @contextmanager
    def task(self, name: str, total: int | None, unit: str) -> Iterator[Advance]:
        line = _Line(name, total, unit)
        yield line.advance
        line.tell()

    def say(self, line: str) -> None:
        _write(line)


class _Line:
    def __init__(self, name: str, total: int | None, unit: str) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._done = 0
        self._began = self._told = time.monotonic()

    def advance(self, done: int) -> None:
        self._done += done
        if time.monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self.tell()

    def tell(self) -> None:
        self._told = time.monotonic()
        seconds = max(self._told - self._began, 1e-6)
        speed = self._done / seconds
        left = max(0, (self._total or 0) - self._done)
        share = f" of {amount(self._done + left, self._unit)}" if left else ""
        is_told = left and self._done >= _TELLING * (self._done + left)
        wait = f", {left / speed:.0f} s left" if is_told else ""
        _write(
            f"{self._name}: {amount(self._done, self._unit)}{share} in {seconds:.1f} s"
            f"{_at(speed, self._unit)}{wait}"
        )


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
