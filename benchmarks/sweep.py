"""What every family of features earns: the model without it, on the same carts.

``python -m benchmarks.sweep`` simulates a shop, builds its training set once, and trains on all
features, then without each entity, each half-life and each family of derived features (and
without whatever is derived from what was left out). ``--page docs/quality.md`` also writes the
table into that page. The shop is for this alone: no figure of the model is of the same seed.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_shop import write_into
from cartwise.data.ingest import ingest
from cartwise.data.simulate import simulate
from cartwise.data.training_set import build
from cartwise.features.catalogue import FAMILIES, SPECIFICATION
from cartwise.features.spec import Derived, Rate, Specification, Sum
from cartwise.model.boosting import Boosting, Seeding, boost_early_stopped
from cartwise.model.bootstrap import Estimate, intervals
from cartwise.model.columns import LABEL
from cartwise.model.examples import TrainingSet, labels
from cartwise.model.logistic import probability_of
from cartwise.model.measures import Ranking, log_losses
from cartwise.progress import SILENT, Progress
from cartwise.terminal import open_progress

Array = NDArray[np.float64]

BEGIN, END = "<!-- sweep: begin -->", "<!-- sweep: end -->"
SEED: Final = 31
_DRAWS: Final = 200


@dataclass(frozen=True)
class Variant:
    """A name, and the names of the values that it goes without."""

    name: str
    without: frozenset[str]


@dataclass(frozen=True)
class Line:
    """A variant's features, its AUC, and what is lost against all features on the same carts."""

    variant: str
    features: int
    auc: float
    loss_of_auc: Estimate
    loss_of_log_loss: Estimate


@dataclass(frozen=True)
class _Margins:
    features: int
    margin: Array


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--training", type=Path, help="a training set to use instead of a shop")
    parser.add_argument("--sessions", type=int, default=600_000)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args(arguments)
    progress = open_progress()
    with TemporaryDirectory() as scratch:
        training = options.training or _shop(Path(scratch), options.sessions, progress)
        text = table(sweep(TrainingSet.open(training), variants(SPECIFICATION), progress))
    sys.stdout.write(text + "\n")
    if options.page:
        write_into(options.page, text, BEGIN, END)
    return 0


def _shop(scratch: Path, sessions: int, progress: Progress) -> Path:
    simulate(scratch / "shop", sessions=sessions, seed=SEED, progress=progress)
    ingest(sorted((scratch / "shop").glob("*.csv")), scratch / "events", progress=progress)
    build(scratch / "events", scratch / "training", progress=progress)
    return scratch / "training"


def variants(specification: Specification) -> list[Variant]:
    """Without each entity, without each half-life, without each family."""
    entities = {
        f"entity {entity.name}": frozenset(entity.readings()) for entity in specification.entities
    }
    half_lives = {
        f"half-life {half_life}": frozenset(_of_half_life(specification, half_life))
        for half_life in specification.half_lives
    }
    families = {
        f"derived: {name}": frozenset(derived.name for derived in family)
        for name, family in FAMILIES.items()
    }
    return [Variant(name, gone) for name, gone in {**entities, **half_lives, **families}.items()]


def _of_half_life(specification: Specification, half_life: str) -> Iterator[str]:
    for entity in specification.entities:
        yield from (name for name in entity.readings() if name.endswith(f"_{half_life}"))


def remaining(specification: Specification, without: frozenset[str]) -> tuple[str, ...]:
    """The vector without these values and without what is derived from them."""
    gone = set(without)
    for derived in specification.derived:
        if gone.intersection(_operands(derived)):
            gone.add(derived.name)
    return tuple(name for name in specification.vector if name not in gone)


def _operands(derived: Derived) -> Iterator[str]:
    match derived:
        case Rate():
            yield from (derived.hits, derived.trials, str(derived.prior))
        case Sum():
            yield from (name for name, _ in derived.terms)
        case _:
            yield from (derived.over, derived.under)


def sweep(data: TrainingSet, tried: Sequence[Variant], progress: Progress = SILENT) -> list[Line]:
    """Train once on all features and once for every variant; measure on the test part."""
    carts = data.columns("test", [LABEL, "user_id"])
    bought, users = labels(carts), carts["user_id"].to_numpy()
    everything = _trained(data, SPECIFICATION.vector)
    lines = []
    with progress.task("sweep", len(tried), "variant") as advance:
        for variant in tried:
            found = _trained(data, remaining(SPECIFICATION, variant.without))
            lines.append(_line(variant.name, found, everything, bought, users))
            advance(1)
    first = _line("all features", everything, everything, bought, users)
    return [first, *sorted(lines, key=lambda line: -line.loss_of_log_loss.value)]


def _trained(data: TrainingSet, names: tuple[str, ...]) -> _Margins:
    narrow = replace(data, manifest=replace(data.manifest, feature_names=names))
    booster = boost_early_stopped(narrow, Boosting(), Seeding(), SILENT).booster
    margins = [
        booster.inplace_predict(narrow.vectors(frame), predict_type="margin", missing=np.nan)
        for frame in narrow.batches("test", names)
    ]
    return _Margins(len(names), np.concatenate(margins).astype(np.float64))


def _line(
    name: str, found: _Margins, everything: _Margins, bought: Array, users: NDArray[np.int64]
) -> Line:
    ours, full = Ranking(found.margin, bought), Ranking(everything.margin, bought)
    losses = [log_losses(probability_of(one.margin), bought) for one in (found, everything)]

    def lost(weight: Array) -> Array:
        auc = full.gains(weight).auc - ours.gains(weight).auc
        return np.array([auc, weight @ (losses[0] - losses[1]) / weight.sum()])

    (estimates,) = intervals([lost], users, draws=_DRAWS, seed=1)
    auc = ours.gains(np.ones(len(bought))).auc
    return Line(name, found.features, auc, *estimates)


def table(lines: Sequence[Line]) -> str:
    """As Markdown; losses in thousandths, what is lost most first."""
    head = (
        "| without | features | AUC | AUC lost, ‰ (95 %) | log loss more, ‰ (95 %) |\n"
        "|---|---:|---:|---:|---:|"
    )
    return "\n".join([head, *(_row(line) for line in lines)])


def _row(line: Line) -> str:
    lost = " | ".join(
        f"{one.value * 1000:.1f} ({one.low * 1000:.1f} to {one.high * 1000:.1f})"
        for one in (line.loss_of_auc, line.loss_of_log_loss)
    )
    return f"| {line.variant} | {line.features} | {line.auc:.4f} | {lost} |"


if __name__ == "__main__":
    sys.exit(main())
