"""Gradient boosting on a training set: XGBoost, streamed batch by batch, seeded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
import xgboost as xgb
from numpy.typing import NDArray

from cartwise.interrupts import held_back
from cartwise.model.columns import LABEL
from cartwise.model.examples import TrainingSet, labels
from cartwise.model.head_start import regression_trees
from cartwise.model.manifest import LEARNED_FROM, PartName
from cartwise.model.regression import REGRESSION_CARTS
from cartwise.progress import Progress


@dataclass(frozen=True)
class Boosting:
    """Hyper-parameters; shares are drawn anew for every tree. Where carts are few, depths from
    ``shallowest`` on are tried, up to ``depth``; otherwise trees have ``depth``."""

    learning_rate: float = 0.05
    depth: int = 4
    shallowest: int = 2
    min_child_weight: float = 30.0
    row_share: float = 0.8
    column_share: float = 0.2
    l2: float = 5.0
    bins: int = 64
    rounds: int = 2000
    patience: int = 60


SMALL_SAMPLE: Final = Boosting(
    learning_rate=0.04,
    depth=2,
    min_child_weight=4.0,
    row_share=0.7,
    column_share=0.3,
    l2=20.0,
    rounds=80,
    patience=0,
    bins=256,
)
"""For a small training set, train and test only: shallow, strongly regularised, fixed rounds."""


_WORTH_THREADS: Final = 20_000


@dataclass(frozen=True)
class Seeding:
    """What makes two runs equal to the byte: the seed and the number of threads."""

    seed: int = 7
    threads: int = 2

    def for_carts(self, carts: int) -> "Seeding":
        """Threads that share a tree wait for each other longer than few carts take."""
        return self if carts >= _WORTH_THREADS else replace(self, threads=1)


class _Batches(xgb.DataIter):  # type: ignore[misc]
    """Parts of a training set as XGBoost reads them: several times, never whole in memory.

    ``chosen`` (carts,) says which of their carts; None means all.
    """

    def __init__(
        self, data: TrainingSet, parts: Sequence[PartName], chosen: NDArray[np.bool_] | None
    ) -> None:
        self._data = data
        self._parts = parts
        self._chosen = chosen
        self._passed = 0
        self._frames: Iterator[Any] = iter(())
        super().__init__()

    def reset(self) -> None:
        columns = [*self._data.manifest.feature_names, LABEL]
        self._passed = 0
        self._frames = chain.from_iterable(
            self._data.batches(part, columns) for part in self._parts
        )

    def next(self, input_data: Callable[..., Any]) -> bool:
        frame = next(self._frames, None)
        if frame is None:
            return False
        frame = self._only_chosen(frame)
        names = list(self._data.manifest.feature_names)
        input_data(data=self._data.vectors(frame), label=labels(frame), feature_names=names)
        return True

    def _only_chosen(self, frame: pl.DataFrame) -> pl.DataFrame:
        first, self._passed = self._passed, self._passed + frame.height
        return frame if self._chosen is None else frame.filter(self._chosen[first : self._passed])


Watch = Callable[[int, float], None]
"""Called after every round with its number and the log loss on validation; may raise to stop."""


class _Rounds(xgb.callback.TrainingCallback):  # type: ignore[misc]
    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance

    def after_iteration(self, *_: object) -> bool:
        self._advance(1)
        return False


class _Watched(xgb.callback.TrainingCallback):  # type: ignore[misc]
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def after_iteration(self, _model: object, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        self._watch(epoch, evals_log["validation"]["logloss"][-1])
        return False


def unwatched(_round: int, _loss: float) -> None:
    """A watch that never stops."""


class Stopped(NamedTuple):
    """The best trees, how many of them were boosted, and their log loss on validation."""

    booster: xgb.Booster
    rounds: int
    log_loss: float


def boost_early_stopped(
    data: TrainingSet,
    boosting: Boosting,
    seeding: Seeding,
    progress: Progress,
    watch: Watch = unwatched,
) -> Stopped:
    """Boost on train, from a regression on, until log loss on validation stops falling."""
    seeding = seeding.for_carts(data.manifest.carts("train"))
    train = binned(data, ["train"], boosting, seeding)
    validation = binned(data, ["validation"], boosting, seeding, ref=train)
    stop = xgb.callback.EarlyStopping(rounds=boosting.patience, save_best=False)
    given = parameters(boosting, seeding, base_rate(data, "train"))
    with progress.task("train until it stops", None, "round") as advance:
        start = regression_trees(*data.sample(["train"], REGRESSION_CARTS), train, given)
        booster = xgb.train(
            given,
            train,
            boosting.rounds,
            evals=[(validation, "validation")],
            xgb_model=start,
            callbacks=[stop, _Rounds(advance), _Watched(watch)],
            verbose_eval=False,
        )
    best = booster.best_iteration + 1
    rounds = best - start.num_boosted_rounds()
    return Stopped(booster[:best], rounds, float(booster.best_score))


def boost_again(
    data: TrainingSet,
    rounds: int,
    boosting: Boosting,
    seeding: Seeding,
    progress: Progress,
    *,
    label: str,
    chosen: NDArray[np.bool_] | None = None,
    from_regression: bool,
) -> xgb.Booster:
    """Boost a known number of rounds on all parts but the test, or on the ``chosen`` (carts,) of
    them, from nothing or from a regression on; progress is shown under ``label``."""
    seeding = seeding.for_carts(sum(map(data.manifest.carts, LEARNED_FROM)))
    carts = binned(data, LEARNED_FROM, boosting, seeding, chosen=chosen)
    given = parameters(boosting, seeding, base_rate(data, *LEARNED_FROM))
    with progress.task(label, rounds, "round") as advance:
        start = None
        if from_regression:
            sample = data.sample(LEARNED_FROM, REGRESSION_CARTS, chosen)
            start = regression_trees(*sample, carts, given)
        return xgb.train(given, carts, rounds, xgb_model=start, callbacks=[_Rounds(advance)])


def binned(
    data: TrainingSet,
    parts: Sequence[PartName],
    boosting: Boosting,
    seeding: Seeding,
    *,
    chosen: NDArray[np.bool_] | None = None,
    ref: xgb.DMatrix | None = None,
) -> xgb.QuantileDMatrix:
    """The carts of some parts, or those ``chosen`` (carts,) of them, as boosters read them; in the
    bins of ``ref`` where it is given."""
    batches = _Batches(data, parts, chosen)
    with held_back():
        return xgb.QuantileDMatrix(batches, ref=ref, max_bin=boosting.bins, nthread=seeding.threads)


def boost_fixed(
    vectors: NDArray[np.float32],
    bought: NDArray[np.float64],
    names: tuple[str, ...],
    boosting: Boosting,
    seeding: Seeding,
) -> xgb.Booster:
    """Boost a fixed number of rounds on vectors (n, features) in memory."""
    train = xgb.QuantileDMatrix(
        vectors,
        bought,
        feature_names=list(names),
        max_bin=boosting.bins,
        nthread=seeding.threads,
    )
    given = parameters(boosting, seeding, smoothed_rate(len(bought), int(bought.sum())))
    return xgb.train(given, train, boosting.rounds)


def margin(booster: xgb.Booster, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log odds of vectors (n, features), not yet calibrated."""
    found = booster.inplace_predict(vectors, predict_type="margin", missing=np.nan)
    return np.asarray(found, dtype=np.float64)


def smoothed_rate(carts: int, positives: int) -> float:
    """The share bought, kept off 0 and 1 (Laplace's rule of succession)."""
    return (positives + 1.0) / (carts + 2.0)


def base_rate(data: TrainingSet, *parts: PartName) -> float:
    """The share bought in some parts, smoothed."""
    known = [data.manifest.parts[part] for part in parts]
    return smoothed_rate(sum(part.carts for part in known), sum(part.positives for part in known))


def parameters(boosting: Boosting, seeding: Seeding, rate: float) -> dict[str, Any]:
    """XGBoost's names for it all; ``rate`` is where boosting begins."""
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "eta": boosting.learning_rate,
        "max_depth": boosting.depth,
        "min_child_weight": boosting.min_child_weight,
        "subsample": boosting.row_share,
        "colsample_bytree": boosting.column_share,
        "lambda": boosting.l2,
        "max_bin": boosting.bins,
        "base_score": rate,
        "seed": seeding.seed,
        "nthread": seeding.threads,
    }
