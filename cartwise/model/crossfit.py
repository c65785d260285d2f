"""How deep trees should be, how many of them are enough, and a margin for every cart by a booster
that has not seen its user.

Where carts are few, cross-validation by user tells all three: a validation part of a few hundred
carts would tell little but chance. Where they are many, it is large enough to stop by.
"""

import math
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import Final, NamedTuple, Self

import numpy as np
import polars as pl
import xgboost as xgb
from numpy.typing import NDArray

from cartwise.model.boosting import (
    Boosting,
    Seeding,
    Watch,
    base_rate,
    binned,
    boost_again,
    boost_early_stopped,
    margin,
    parameters,
    unwatched,
)
from cartwise.model.calibration import folds
from cartwise.model.examples import TrainingSet
from cartwise.model.manifest import LEARNED_FROM
from cartwise.progress import SILENT, Progress

CROSS_VALIDATED_BELOW: Final = 50_000
"""So many carts carry trees of the depth that is set, and a validation part to stop by."""

_SEARCH_FOLDS: Final = 4
_MARGIN_FOLDS: Final = 3

_STEP: Final = 5
"""Rounds between two looks at the loss."""


@dataclass(frozen=True)
class CrossFit:
    """What was found about boosting on a training set.

    Attributes:
        boosting: the hyper-parameters that did best.
        rounds: how many were enough for boosters that saw part of the carts.
        rounds_on_all: how many are for one that sees all of them.
        log_loss: after so many rounds, of carts that were not seen.
        margins: shape (carts,): by boosters that had not seen the cart's user.
        from_regression: whether boosting is to go on from a regression.
    """

    boosting: Boosting
    rounds: int
    rounds_on_all: int
    log_loss: float
    margins: NDArray[np.float64]
    from_regression: bool


def at_hand(data: TrainingSet) -> TrainingSet:
    """The same carts; few of them in memory, for they are read some thirty times."""
    return data.kept(*LEARNED_FROM) if _is_cross_validated(data) else data


def cross_fit(
    data: TrainingSet, boosting: Boosting, seeding: Seeding, progress: Progress
) -> CrossFit:
    """Find out how to boost on all carts that a model learns from.

    ``boosting`` says how deep trees are; of few carts, shallow ones are tried first, deeper ones as
    long as they are better.
    """
    find = _searched if _is_cross_validated(data) else _stopped
    return find(data, boosting, seeding, progress)


def depth_of(data: TrainingSet, boosting: Boosting, seeding: Seeding, progress: Progress) -> int:
    """The depth that :func:`cross_fit` finds."""
    if _is_cross_validated(data):
        return _searched(data, boosting, seeding, progress).boosting.depth
    return boosting.depth


def loss_of(data: TrainingSet, boosting: Boosting, seeding: Seeding, watch: Watch) -> float:
    """The log loss by which :func:`cross_fit` judges trees of just this depth."""
    if _is_cross_validated(data):
        alone = replace(boosting, shallowest=boosting.depth)
        return _searched(data, alone, seeding, SILENT, watch).log_loss
    return boost_early_stopped(data, boosting, seeding, SILENT, watch=watch).log_loss


def name_of_loss(data: TrainingSet) -> str:
    """What the log loss of :func:`loss_of` is called."""
    return "cross_validated_log_loss" if _is_cross_validated(data) else "validation_log_loss"


def _is_cross_validated(data: TrainingSet) -> bool:
    """Whether carts are few: what the validation part told would be chance."""
    return sum(map(data.manifest.carts, LEARNED_FROM)) < CROSS_VALIDATED_BELOW


def _users(data: TrainingSet) -> NDArray[np.int64]:
    """Of all carts that a model learns from (carts,), in order of time."""
    users = pl.concat(data.columns(part, ["user_id"]) for part in LEARNED_FROM)
    return users["user_id"].to_numpy()


def _more(rounds: int, carts: int, seen: int) -> int:
    """More carts carry more rounds than those seen, as the square root of both."""
    return max(1, round(rounds * math.sqrt(carts / seen)))


def _stopped(
    data: TrainingSet,
    boosting: Boosting,
    seeding: Seeding,
    progress: Progress,
) -> CrossFit:
    users = _users(data)
    _, rounds, loss = boost_early_stopped(data, boosting, seeding, progress)
    trained = data.manifest.carts("train")
    fold = folds(users, seeding.seed, _MARGIN_FOLDS)
    margins = np.zeros(len(users))
    for number in range(_MARGIN_FOLDS):
        held_out = fold == number
        enough = _more(rounds, int((~held_out).sum()), trained)
        label = f"train without fold {number + 1} of {_MARGIN_FOLDS}"
        booster = boost_again(
            data,
            enough,
            boosting,
            seeding,
            progress,
            label=label,
            chosen=~held_out,
            from_regression=True,
        )
        margins[held_out] = _margins(data, booster, held_out)
    on_all = _more(rounds, len(users), trained)
    return CrossFit(boosting, rounds, on_all, loss, margins, from_regression=True)


def _margins(
    data: TrainingSet, booster: xgb.Booster, held_out: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The booster's margins for those of the carts that the model learns from, in order."""
    margins, passed = [], 0
    for part in LEARNED_FROM:
        for frame in data.batches(part, data.manifest.feature_names):
            unseen = frame.filter(held_out[passed : passed + frame.height])
            passed += frame.height
            margins.append(margin(booster, data.vectors(unseen)))
    return np.concatenate(margins)


def _searched(
    data: TrainingSet,
    boosting: Boosting,
    seeding: Seeding,
    progress: Progress,
    watch: Watch = unwatched,
) -> CrossFit:
    # A fold to a thread: threads that share a tree wait for each other at every step.
    alone = replace(seeding, threads=1)
    fold = folds(_users(data), seeding.seed, _SEARCH_FOLDS)
    parted = [_Parted.of(data, fold == number, boosting, alone) for number in np.unique(fold)]
    rate = base_rate(data, *LEARNED_FROM)
    with ThreadPoolExecutor(seeding.threads) as threads:

        def fit(depth: int) -> CrossFit:
            tried = replace(boosting, depth=depth)
            boosters = [_FoldBooster(one, tried, alone, rate) for one in parted]
            return _in_step(boosters, tried, threads, progress, watch)

        fits = map(fit, range(min(boosting.shallowest, boosting.depth), boosting.depth + 1))
        best = next(fits)
        for deeper in fits:
            if deeper.log_loss >= best.log_loss:
                break
            best = deeper
    return best


class _Parted(NamedTuple):
    """All carts but those of a fold, and the fold's own, as boosters read them."""

    is_held_out: NDArray[np.bool_]
    seen: xgb.QuantileDMatrix
    held_out: xgb.QuantileDMatrix

    @classmethod
    def of(
        cls, data: TrainingSet, is_held_out: NDArray[np.bool_], boosting: Boosting, seeding: Seeding
    ) -> Self:
        read = partial(binned, data, LEARNED_FROM, boosting, seeding)
        seen = read(chosen=~is_held_out)
        return cls(is_held_out, seen, read(chosen=is_held_out, ref=seen))


class _FoldBooster:
    """A booster that sees all carts but those of a fold."""

    def __init__(self, parted: _Parted, boosting: Boosting, seeding: Seeding, rate: float) -> None:
        self.is_held_out, self._seen, self._held_out = parted
        self.carts: int = self._held_out.num_row()
        # Random numbers belong to a thread, and which one boosts next is chance.
        given = {**parameters(boosting, seeding, rate), "seed_per_iteration": True}
        self._booster = xgb.Booster(given, [self._seen, self._held_out])

    def boost(self, rounds: range) -> float:
        """Boost these rounds; the sum of the log losses of the carts that were held out."""
        for round_ in rounds:
            self._booster.update(self._seen, round_)
        # A line such as "[0]\teval-logloss:0.69".
        mean = float(self._booster.eval(self._held_out).rpartition(":")[2])
        return mean * self.carts

    def margins(self, rounds: int) -> NDArray[np.float32]:
        """Of the carts that were held out, after so many rounds."""
        margins: NDArray[np.float32] = self._booster.predict(
            self._held_out, output_margin=True, iteration_range=(0, rounds)
        )
        return margins


def _in_step(
    boosters: Sequence[_FoldBooster],
    boosting: Boosting,
    threads: Executor,
    progress: Progress,
    watch: Watch,
) -> CrossFit:
    carts = sum(booster.carts for booster in boosters)
    rounds, best, lowest = 0, 0, math.inf
    with progress.task(f"cross-validate depth {boosting.depth}", None, "round") as advance:
        while rounds < boosting.rounds and rounds - best <= boosting.patience:
            some = range(rounds, min(rounds + _STEP, boosting.rounds))
            loss = sum(threads.map(_FoldBooster.boost, boosters, repeat(some))) / carts
            rounds = some.stop
            advance(len(some))
            watch(rounds, loss)
            if loss < lowest:
                best, lowest = rounds, loss
    margins = np.empty(carts)
    for booster in boosters:
        margins[booster.is_held_out] = booster.margins(best)
    # Of k folds, of whatever size, boosters see (k - 1) / k of the carts on average. Fewer users
    # than folds make fewer of them.
    on_all = _more(best, len(boosters), len(boosters) - 1)
    return CrossFit(boosting, best, on_all, lowest, margins, from_regression=False)
