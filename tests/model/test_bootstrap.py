import numpy as np
import pytest

from cartwise.model.bootstrap import Estimate, intervals


def mean_of(values):
    return lambda weight: np.array([weight @ values / weight.sum()])


def one(values, users, *, draws=300, seed=1):
    (found,) = intervals([mean_of(values)], users, draws=draws, seed=seed)
    (estimate,) = found
    return estimate


def test_intervals_hold_the_truth_in_about_95_of_100_samples() -> None:
    random = np.random.default_rng(1)
    users = np.arange(80)
    samples = [one(random.exponential(2.0, 80), users, seed=seed) for seed in range(200)]
    held = np.mean([sample.low <= 2.0 <= sample.high for sample in samples])
    assert 0.88 <= held <= 0.98


def test_carts_of_one_user_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=50), 20)
    by_user = one(values, np.repeat(np.arange(50), 20))
    by_cart = one(values, np.arange(1000))
    assert by_user.value == pytest.approx(by_cart.value)
    assert by_user.high - by_user.low > 3 * (by_cart.high - by_cart.low)


def test_the_seed_decides_the_interval() -> None:
    values, users = np.random.default_rng(3).normal(size=60), np.arange(60)
    assert one(values, users, seed=5) == one(values, users, seed=5)
    assert one(values, users, seed=5) != one(values, users, seed=6)


def test_one_user_gives_an_interval_without_width() -> None:
    found = one(np.array([1.0, 3.0]), np.array([7, 7]))
    assert (found.low, found.value, found.high) == (2.0, 2.0, 2.0)


def test_what_most_draws_cannot_tell_has_no_interval() -> None:
    def only_of_everybody(weight):
        return np.array([1.0 if weight.min() > 0 else np.nan])

    ((found,),) = intervals([only_of_everybody], np.arange(30), draws=50, seed=1)
    assert found.value == 1.0
    assert np.isnan([found.low, found.high]).all()


def test_statistics_share_their_draws() -> None:
    values, users = np.random.default_rng(4).normal(size=40), np.arange(40)
    same, again = intervals([mean_of(values), mean_of(values)], users, draws=50, seed=1)
    assert (same.low, same.high) == (again.low, again.high)


def test_no_carts_give_no_interval() -> None:
    (found,) = intervals([lambda _: np.array([np.nan])], np.array([]), draws=50, seed=1)
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()


def test_unbiased_takes_off_what_resampling_adds() -> None:
    estimate = Estimate(0.010, 0.012, 0.020, bias=0.006).unbiased()
    assert (estimate.value, estimate.low) == (0.010, pytest.approx(0.006))
    assert estimate.high == pytest.approx(0.014)
    assert Estimate(0.001, 0.002, 0.009, bias=0.004).unbiased().low == 0.0
