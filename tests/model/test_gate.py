"""What the gate stops and what it lets pass, on probabilities whose truth is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cartwise.model.comparison import Comparison, Pair, compare
from cartwise.model.gate import (
    Decision,
    GateLimits,
    check_better,
    check_calibration,
    check_canary,
    check_equality,
    check_freshness,
    check_latency,
    check_parity,
    check_ranking,
    check_slices,
    level_of_try,
)

Array = NDArray[np.float64]

LIMITS = GateLimits()
CARTS = 6000
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Shop:
    """Carts with a true log-odds; a model sees it through noise of its own."""

    def __init__(self, seed: int, carts: int = CARTS) -> None:
        self.random = np.random.default_rng(seed)
        self.users = self.random.integers(0, carts // 3, carts)
        taste = self.random.normal(0.0, 0.7, carts // 3)[self.users]
        self.logit = taste + self.random.normal(-0.5, 0.8, carts)
        self.bought = (self.random.random(carts) < sigmoid(self.logit)).astype(np.float64)

    def model(self, noise: float) -> Array:
        return sigmoid(self.logit + self.random.normal(0.0, noise, len(self.logit)))

    def compare(self, champion: Array, challenger: Array, **slices: NDArray[np.bool_]):
        pair = Pair(self.users, self.bought, champion, challenger)
        return compare(pair, slices, draws=300)


def sigmoid(logit: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-logit))


def decide(comparison: Comparison, challenger: Array, bought: Array, tries: int = 1) -> Decision:
    return Decision(
        [
            check_better(comparison, tries, LIMITS),
            check_ranking(comparison, LIMITS),
            *check_slices(comparison, LIMITS),
            check_calibration(challenger, bought, LIMITS),
        ]
    )


def failed(decision: Decision) -> set[str]:
    return {check.name for check in decision.checks if not check.passed}


def test_a_better_challenger_passes() -> None:
    shop = Shop(1)
    champion, challenger = shop.model(0.9), shop.model(0.2)
    halves = {"even": shop.users % 2 == 0, "odd": shop.users % 2 == 1}
    comparison = shop.compare(champion, challenger, **halves)
    decision = decide(comparison, challenger, shop.bought)
    assert decision.passed, decision.reasons
    assert {"slice even", "slice odd"} < {check.name for check in decision.checks}


def test_a_worse_challenger_is_stopped() -> None:
    shop = Shop(2)
    champion, challenger = shop.model(0.2), shop.model(0.9)
    comparison = shop.compare(champion, challenger)
    assert failed(decide(comparison, challenger, shop.bought)) >= {"better", "ranking"}


def test_the_same_model_is_not_better_than_itself() -> None:
    shop = Shop(3)
    champion = shop.model(0.5)
    comparison = shop.compare(champion, champion, all=shop.users >= 0)
    assert failed(decide(comparison, champion, shop.bought)) <= {"better", "calibration"}
    assert not check_better(comparison, 1, LIMITS).passed


def test_a_challenger_that_damages_a_slice_is_stopped_though_better_overall() -> None:
    shop = Shop(4)
    champion, challenger = shop.model(0.9), shop.model(0.2)
    new = shop.users < 450
    challenger[new] = shop.model(1.6)[new]
    comparison = shop.compare(champion, challenger, new_users=new, known_users=~new)
    assert comparison.log_loss.value < 0
    assert "slice new_users" in failed(decide(comparison, challenger, shop.bought))


def test_a_small_slice_decides_nothing() -> None:
    shop = Shop(5)
    champion, challenger = shop.model(0.9), shop.model(0.2)
    few = np.arange(CARTS) < LIMITS.large_carts - 1
    challenger[few] = shop.model(3.0)[few]
    comparison = shop.compare(champion, challenger, few=few)
    assert check_slices(comparison, LIMITS) == []


def test_a_miscalibrated_challenger_is_stopped_though_it_ranks_the_same() -> None:
    shop = Shop(6)
    right = shop.model(0.1)
    bold = sigmoid(2.5 * np.log(right / (1 - right)) + 0.8)
    assert check_calibration(right, shop.bought, LIMITS).passed
    assert not check_calibration(bold, shop.bought, LIMITS).passed


def test_a_challenger_that_was_merely_lucky_is_stopped() -> None:
    """The best of six equals on one test part: at a plain 5 %, one in four parts lets one pass."""
    promoted = 0
    for seed in range(10):
        shop = Shop(100 + seed, carts=1200)
        champion = shop.model(0.5)
        tries = [shop.compare(champion, shop.model(0.5)) for _ in range(6)]
        promoted += any(
            check_better(one, number, LIMITS).passed for number, one in enumerate(tries, 1)
        )
    assert promoted <= 2


@given(st.floats(0.001, 0.2), st.integers(1, 500))
def test_all_tries_together_spend_the_level_and_no_more(level: float, tries: int) -> None:
    spent = sum(level_of_try(level, number) for number in range(1, tries + 1))
    assert level_of_try(level, 1) <= spent < level


def test_what_another_seed_brings_too_is_not_called_better() -> None:
    """Twins of the challenger that differ as much as it does from the champion explain it."""
    shop = Shop(10)
    champion, challenger = shop.model(0.55), shop.model(0.3)
    pair = Pair(shop.users, shop.bought, champion, challenger)
    alike = [challenger, shop.model(0.3), shop.model(0.31)]
    unlike = [challenger, champion, shop.model(0.8)]
    assert check_better(compare(pair, {}, alike, draws=300), 1, LIMITS).passed
    assert not check_better(compare(pair, {}, unlike, draws=300), 1, LIMITS).passed


def test_few_users_show_nothing_however_large_the_difference() -> None:
    shop = Shop(7, carts=300)
    comparison = shop.compare(shop.model(3.0), shop.model(0.0))
    assert not check_better(comparison, 1, LIMITS).passed


def test_carts_of_one_user_count_as_one_observation() -> None:
    """Twenty copies of every cart say no more than one does."""
    shop = Shop(8, carts=600)
    champion, challenger = shop.model(0.6), shop.model(0.5)
    once = compare(Pair(np.arange(600), shop.bought, champion, challenger), {})
    copies = [np.repeat(row, 20) for row in (np.arange(600), shop.bought, champion, challenger)]
    often = compare(Pair(*copies), {})
    assert often.log_loss.error == pytest.approx(once.log_loss.error, rel=0.15)


def test_overlapping_slices_are_not_counted_twice() -> None:
    shop = Shop(9)
    champion, challenger = shop.model(0.6), shop.model(0.6)
    half = shop.users % 2 == 0
    alone = shop.compare(champion, challenger, half=half)
    doubled = shop.compare(champion, challenger, half=half, again=half, once_more=half)
    assert doubled.critical == pytest.approx(alone.critical)
    assert alone.critical == pytest.approx(1.64, abs=0.35)


def test_small_slices_do_not_hide_harm_to_large_ones() -> None:
    shop = Shop(11)
    pair = Pair(shop.users, shop.bought, shop.model(0.6), shop.model(0.6))
    place = np.arange(CARTS)
    large = {f"third {i}": place % 3 == i for i in range(3)}
    small = {f"few {i}": place // 40 == i for i in range(20)}
    alone = compare(pair, large, draws=200)
    beside = compare(pair, large | small, draws=200, fewest_carts=LIMITS.large(CARTS))
    assert beside.critical == alone.critical
    assert compare(pair, large | small, draws=200).critical > alone.critical
    assert len(beside.slices) == 23


def test_a_stale_challenger_is_stopped() -> None:
    day = timedelta(days=1)
    assert check_freshness(NOW - 10 * day, NOW - 20 * day, NOW, LIMITS).passed
    assert check_freshness(NOW - 10 * day, None, NOW, LIMITS).passed
    assert not check_freshness(NOW - 61 * day, None, NOW, LIMITS).passed
    older = check_freshness(NOW - 10 * day, NOW - 9 * day, NOW, LIMITS)
    assert not older.passed
    assert "the champion knows carts up to" in older.told


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (check_equality(1e-7, LIMITS), check_equality(1e-4, LIMITS)),
        (check_latency(20.0, LIMITS), check_latency(2000.0, LIMITS)),
        (check_canary(50, None), check_canary(50, "the feature x changes")),
        (check_canary(50, None), check_canary(0, None)),
        (check_parity("replay", 50, 0), check_parity("replay", 50, 1)),
        (check_parity("replay", 50, 0), check_parity("replay", 0, 0)),
    ],
    ids=lambda check: check.name,
)
def test_what_will_serve_must_be_what_was_measured(good, bad) -> None:
    assert good.passed
    assert not bad.passed
    assert Decision([good, bad]).reasons == [bad.told]
