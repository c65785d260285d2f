"""A figure: contestants for one job, their costs on the same data, and whether they agree."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from benchmarks.contest import Contestant, Cost, measure

Compare = Callable[[Path, Path], None]


class Disagreement(Exception):
    """Two contestants gave different results for the same job."""


def require(holds: bool, complaint: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Raise Disagreement unless something holds."""
    if not holds:
        raise Disagreement(complaint)


@dataclass(frozen=True)
class Figure:
    """A job and who does it; the first contestant is Cartwise, to which all others compare.

    ``require_equal(ours, theirs)`` takes the folders of two results and raises Disagreement.
    ``targets`` says how many times a peer's time Cartwise may at most take, by name of the peer.
    """

    name: str
    job: str
    unit: str
    contestants: Sequence[Contestant]
    require_equal: Compare
    targets: Mapping[str, float]

    def among(self, names: Collection[str] | None) -> Self:
        """The figure with only the peers of these names beside Cartwise; None: all of them."""
        chosen = [
            contestant
            for contestant in self.contestants
            if names is None or contestant.name in names or contestant.package == "cartwise"
        ]
        return replace(self, contestants=chosen)


@dataclass(frozen=True)
class Line:
    """What a figure says of one contestant; ``cost`` or ``absence`` is None."""

    contestant: str
    cost: Cost | None
    absence: str | None = None


@dataclass(frozen=True)
class Outcome:
    """A figure after the run, on ``units`` of its unit."""

    figure: Figure
    units: int
    lines: Sequence[Line]

    def times(self, line: Line, cost: str) -> float:
        """A cost of a contestant that took part as a multiple of Cartwise's."""
        return getattr(line.cost, cost) / getattr(self.lines[0].cost, cost)

    def facts(self) -> dict[str, object]:
        """All of it, for a machine."""
        return {
            "figure": self.figure.name,
            "job": self.figure.job,
            self.figure.unit: self.units,
            "contestants": [self._line_facts(line) for line in self.lines],
        }

    def _line_facts(self, line: Line) -> dict[str, object]:
        if line.cost is None:
            return {"name": line.contestant, "absence": line.absence}
        return {
            "name": line.contestant,
            **vars(line.cost),
            f"{self.figure.unit}_per_second": self.units / line.cost.seconds,
            "times_cartwise": self.times(line, "seconds"),
            "times_cartwise_cpu": self.times(line, "cpu_seconds"),
            "target": self.figure.targets.get(line.contestant),
        }


def run(figure: Figure, warm: Path, source: Path, units: int, folder: Path) -> Outcome:
    """Let all contestants of a figure work on the same source, one after the other."""
    folder.mkdir()
    lines = [_line(figure, one, warm, source, folder) for one in figure.contestants]
    return Outcome(figure, units, lines)


def _line(figure: Figure, contestant: Contestant, warm: Path, source: Path, folder: Path) -> Line:
    if absence := contestant.absence():
        return Line(contestant.name, None, absence)
    out = folder / contestant.name
    cost = measure(contestant, warm, source, out)
    ours = folder / figure.contestants[0].name
    try:
        figure.require_equal(ours, out)
    except Disagreement as error:
        raise Disagreement(f"{figure.name}: {contestant.name} is not equal: {error}") from error
    return Line(contestant.name, cost)
