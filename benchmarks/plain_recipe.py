"""The plainest recipe on a run's own carts, beside Cartwise: 210 counters, XGBoost as it comes.

``python -m benchmarks.plain_recipe OUT --truth shop/truth.parquet``, where OUT is what
``cartwise run`` left. Ten entities keep a decayed count of each of the four types of events at four
half-lives, the seconds since the latest of each, and a mean price, as of the cart, the cart
included; nothing is derived of them. XGBoost learns with its defaults: 100 rounds on all parts but
the test, or on train until validation has not gained for ten rounds.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import xgboost as xgb
from numpy.typing import NDArray

from benchmarks.counters import day_files
from cartwise.features.replay import Replay, Values
from cartwise.features.spec import FACTS, Entity, Price, Specification
from cartwise.model.bundle import Bundle
from cartwise.model.columns import LABEL
from cartwise.model.examples import TrainingSet, labels
from cartwise.model.manifest import LEARNED_FROM, PartName
from cartwise.model.measures import Ranking
from cartwise.model.scored import TRUTH_KEYS, true_probabilities
from cartwise.pipeline import EVENTS, MODEL, TRAINING

Array = NDArray[np.float64]

KEYS: Final = (
    ("user_id",),
    ("product_id",),
    ("category_id",),
    ("brand",),
    ("user_id", "product_id"),
    ("user_id", "category_id"),
    ("user_id", "brand"),
    ("user_session",),
    ("user_session", "product_id"),
    (),
)
HALF_LIVES: Final = ("1h", "1d", "7d", "28d")
COUNTERS: Final = Specification(
    tuple(Entity("_".join(key) or "shop", key, HALF_LIVES, (Price("view", "7d"),)) for key in KEYS),
    derived=(),
    unused=frozenset(FACTS),
)
PARTS: Final[tuple[PartName, ...]] = (*LEARNED_FROM, "test")
_ROUNDS: Final = 100
"""XGBoost's default, in its interface for scikit-learn."""


@dataclass(frozen=True)
class Carts:
    """Carts in order of time, with the recipe's vectors: (carts, 210)."""

    vectors: Values
    bought: Array


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plain_recipe", description=__doc__)
    parser.add_argument("out", type=Path, help="what 'cartwise run' left")
    parser.add_argument("--truth", type=Path, required=True)
    options = parser.parse_args(arguments)
    sys.stdout.write(compared(options.out, options.truth) + "\n")
    return 0


def compared(out: Path, truth: Path) -> str:
    """The recipe, with and without stopping early, and Cartwise on the same test carts."""
    data, bundle = TrainingSet.open(out / TRAINING), Bundle.load(out / MODEL)
    carts = counted(out / EVENTS, data)
    train, stop_by, test = carts["train"], carts["validation"], carts["test"]
    scores = {
        "plain recipe, 100 rounds": scored(_together(carts, LEARNED_FROM), None, test),
        "plain recipe, stopped early": scored(train, stop_by, test),
        "Cartwise": _cartwise(data, bundle),
    }
    true = true_probabilities(data.columns("test", TRUTH_KEYS), truth, data.manifest)
    known = ~np.isnan(true)
    ceiling = _auc(true[known], test.bought[known])
    learned, tested = sum(map(data.manifest.carts, LEARNED_FROM)), data.manifest.carts("test")
    head = (
        f"{learned:,} carts to learn from, {tested:,} to test; "
        f"AUC of the true probabilities {ceiling:.3f}\n\n"
        "| | AUC | share of the ceiling |\n|---|---:|---:|\n"
    )
    return head + "\n".join(
        _line(name, _auc(score[known], test.bought[known]), ceiling)
        for name, score in scores.items()
    )


def _line(name: str, auc: float, ceiling: float) -> str:
    return f"| {name} | {auc:.3f} | {(auc - 0.5) / (ceiling - 0.5):.2f} |"


def counted(lake: Path, data: TrainingSet) -> Mapping[PartName, Carts]:
    """The carts of every part with their counters, by one replay of the log."""
    replay = Replay(COUNTERS)
    asked = {part: data.columns(part, ["cart_time", "row", LABEL]) for part in PARTS}
    found: dict[PartName, list[Values]] = {part: [] for part in PARTS}
    for file in day_files(lake):
        day = date.fromisoformat(file.parent.name.removeprefix("event_date="))
        of_day = {part: carts.filter(_is_of(day)) for part, carts in asked.items()}
        for part, vectors in _read(replay, file, of_day):
            found[part].append(vectors)
    return {part: Carts(np.concatenate(found[part]), labels(asked[part])) for part in PARTS}


def _is_of(day: date) -> pl.Expr:
    return pl.col("cart_time").dt.date() == day


def _read(
    replay: Replay, file: Path, carts: Mapping[PartName, pl.DataFrame]
) -> Iterator[tuple[PartName, Values]]:
    rows = pl.concat(carts.values())["row"].to_numpy().astype(np.int64)
    vectors = replay.vectors(pl.read_parquet(file, hive_partitioning=False), rows)
    first = 0
    for part, of_part in carts.items():
        yield part, vectors[first : first + of_part.height]
        first += of_part.height


def _together(carts: Mapping[PartName, Carts], parts: Sequence[PartName]) -> Carts:
    chosen = [carts[part] for part in parts]
    return Carts(
        np.concatenate([one.vectors for one in chosen]),
        np.concatenate([one.bought for one in chosen]),
    )


def scored(train: Carts, stop_by: Carts | None, test: Carts) -> Array:
    """Margins of the test carts, after XGBoost's 100 rounds or as many as help ``stop_by``."""
    learned = xgb.QuantileDMatrix(train.vectors, train.bought)
    parameters = {"objective": "binary:logistic", "seed": 0, "nthread": 2}
    booster = xgb.train(parameters, learned, _ROUNDS, **_stopping(learned, stop_by))
    kept = booster.best_iteration + 1 if stop_by else _ROUNDS
    margin = booster[:kept].inplace_predict(test.vectors, predict_type="margin")
    return np.asarray(margin, dtype=np.float64)


def _stopping(learned: xgb.QuantileDMatrix, stop_by: Carts | None) -> dict[str, Any]:
    if stop_by is None:
        return {}
    watched = xgb.QuantileDMatrix(stop_by.vectors, stop_by.bought, ref=learned)
    return {"evals": [(watched, "validation")], "early_stopping_rounds": 10, "verbose_eval": False}


def _cartwise(data: TrainingSet, bundle: Bundle) -> Array:
    names = data.manifest.feature_names
    return np.concatenate(
        [bundle.score(data.vectors(frame)) for frame in data.batches("test", names)]
    )


def _auc(score: Array, bought: Array) -> float:
    return Ranking(score, bought).gains(np.ones(len(bought))).auc


if __name__ == "__main__":
    sys.exit(main())
