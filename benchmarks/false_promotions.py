"""How often the gate promotes what is no better: ``python -m benchmarks.false_promotions``.

Three questions, each on many made-up test parts: how often one challenger that is equal by
construction passes; how often one passes that was trained by the same recipe with another seed; and
how often, of several equal challengers asked on the same test part, any one passes.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from cartwise.model.boosting import Boosting, Seeding, boost_fixed
from cartwise.model.calibration import Calibrator, fit_platt
from cartwise.model.comparison import Pair, compare
from cartwise.model.gate import (
    Decision,
    GateLimits,
    check_better,
    check_calibration,
    check_ranking,
    check_slices,
    level_of_try,
)
from cartwise.promotion import GateSettings

Array = NDArray[np.float64]

LIMITS = GateLimits()
DRAWS = 300
CARTS = 3000
TRIES = 6
TWINS = GateSettings.twins
FEATURES = 12
RECIPE = Boosting(learning_rate=0.1, depth=3, rounds=60, patience=0)


class Test(NamedTuple):
    """A test part: users, labels, and the log-odds from which labels were drawn."""

    users: NDArray[np.int64]
    bought: Array
    logit: Array


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the three rates with their intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000, help="equal by construction")
    parser.add_argument("--retrained", type=int, default=200, help="pairs of trained models")
    parser.add_argument("--parts", type=int, default=300, help=f"test parts asked {TRIES} times")
    options = parser.parse_args(arguments)
    nominal = level_of_try(LIMITS.level, 1)
    random = np.random.default_rng(7)
    equal = [_equal(random) for _ in range(options.pairs)]
    _show("equal by construction: is better", nominal, [one[0] for one in equal])
    _show("equal by construction: whole gate", nominal, [one[1] for one in equal])
    trained = [_retrained(random, seed) for seed in range(options.retrained)]
    _show("same recipe, other seed: is better", nominal, [one[0] for one in trained])
    _show("same recipe, other seed: whole gate", nominal, [one[1] for one in trained])
    _show("  the same without twins", nominal, [one[2] for one in trained])
    spent = sum(level_of_try(LIMITS.level, number) for number in range(1, TRIES + 1))
    lucky = [_any_of_several(random) for _ in range(options.parts)]
    _show(f"any of {TRIES} equals on one test part", spent, [one[0] for one in lucky])
    _show("  the same with a plain 5 % each", LIMITS.level, [one[1] for one in lucky])
    print("Measured on " + ", ".join(f"{name} {fact}" for name, fact in machine.describe().items()))


def _show(what: str, nominal: float, promoted: Sequence[bool]) -> None:
    low, high = _interval(sum(promoted), len(promoted))
    print(
        f"{what:40} {np.mean(promoted):6.2%} ({low:.2%} to {high:.2%}) of {len(promoted)}, "
        f"nominal {nominal:.2%}",
        flush=True,
    )


def _interval(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval."""
    z, share = 1.96, hits / trials
    middle = share + z * z / (2 * trials)
    reach = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    return (middle - reach) / (1 + z * z / trials), (middle + reach) / (1 + z * z / trials)


def _equal(random: np.random.Generator) -> tuple[bool, bool]:
    test = _test_part(random, CARTS)
    return _asked(test, _noisy(test, random), _noisy(test, random))


def _asked(test: Test, champion: Array, challenger: Array, *twins: Array) -> tuple[bool, bool]:
    """Whether a challenger is called better, and whether the whole gate lets it pass."""
    slices = {f"band {band}": test.users % 3 == band for band in range(3)}
    pair = Pair(test.users, test.bought, champion, challenger)
    large = LIMITS.large(len(test.users))
    comparison = compare(pair, slices, twins, draws=DRAWS, fewest_carts=large)
    better = check_better(comparison, 1, LIMITS)
    others = [
        check_ranking(comparison, LIMITS),
        *check_slices(comparison, LIMITS),
        check_calibration(challenger, test.bought, LIMITS),
    ]
    return better.passed, Decision([better, *others]).passed


def _any_of_several(random: np.random.Generator) -> tuple[bool, bool]:
    test = _test_part(random, CARTS)
    champion = _noisy(test, random)
    found = [
        compare(Pair(test.users, test.bought, champion, _noisy(test, random)), {}, draws=DRAWS)
        for _ in range(TRIES)
    ]
    spent = [check_better(one, number, LIMITS).passed for number, one in enumerate(found, 1)]
    return any(spent), any(one.log_loss.chance <= LIMITS.level for one in found)


def _retrained(random: np.random.Generator, seed: int) -> tuple[bool, bool, bool]:
    """Two seeds of one recipe on the same training carts, and a test part of their own.

    Whether the second is called better, whether it passes, and whether it would be called better
    if nobody asked what twins bring.
    """
    weights = random.normal(size=FEATURES) * 0.4
    vectors = random.normal(size=(2 * CARTS, FEATURES)).astype(np.float32)
    test = _test_part(random, 2 * CARTS, vectors @ weights)
    train, later = slice(CARTS), slice(CARTS, None)
    seeds = range((2 + TWINS) * seed, (2 + TWINS) * (seed + 1))
    models = [_trained(vectors[train], test.bought[train], one) for one in seeds]
    tested = Test(test.users[later], test.bought[later], test.logit[later])
    champion, challenger, *twins = (model(vectors[later]) for model in models)
    blind, _ = _asked(tested, champion, challenger)
    return *_asked(tested, champion, challenger, *twins), blind


def _trained(
    vectors: NDArray[np.float32], bought: Array, seed: int
) -> Callable[[NDArray[np.float32]], Array]:
    calibrated = len(bought) // 5
    names = tuple(f"f{number}" for number in range(FEATURES))
    fitted = slice(calibrated, None)
    seeding = Seeding(seed, threads=1)
    booster = boost_fixed(vectors[fitted], bought[fitted], names, RECIPE, seeding)
    margin = booster.inplace_predict(vectors[:calibrated], predict_type="margin")
    table = Calibrator("platt", fit_platt(margin.astype(np.float64), bought[:calibrated]))
    return lambda rows: table(booster.inplace_predict(rows, predict_type="margin"))


def _test_part(random: np.random.Generator, carts: int, known: Array | float = 0.0) -> Test:
    """Carts of users with a taste of their own; ``known`` is what a model could learn."""
    users = random.integers(0, carts // 3, carts)
    taste = random.normal(0.0, 0.6, carts // 3)[users]
    logit = known + taste + random.normal(-0.3, 0.5, carts)
    probability = 1.0 / (1.0 + np.exp(-logit))
    return Test(users, (random.random(carts) < probability).astype(np.float64), logit)


def _noisy(test: Test, random: np.random.Generator) -> Array:
    """A model that sees the log-odds through noise; two of them are equal but for luck."""
    seen = 0.7 * (test.logit + random.normal(0.0, 0.5, len(test.logit)))
    return 1.0 / (1.0 + np.exp(-seen))


if __name__ == "__main__":
    main()
