import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise.errors import BundleError
from cartwise.model.calibration import (
    ENOUGH_FOR_CURVES,
    MARGINS,
    METHODS,
    Calibrator,
    _pool,
    calibrate,
    folds,
)
from cartwise.model.logistic import probability_of


def world(carts, truth, seed=1):
    """Margins (carts,) and whether they were bought, with the chance ``truth`` of the margin."""
    random = np.random.default_rng(seed)
    margin = random.normal(-1.0, 1.5, carts)
    return margin, (random.random(carts) < truth(margin)) * 1.0


def line(margin):
    return probability_of(0.5 * margin - 0.7)


def steps(margin):
    return np.where(margin < -1.0, 0.1, np.where(margin < 0.5, 0.15, 0.7))


def calibrated(margin, bought):
    return calibrate(margin, bought, folds(np.arange(len(margin)), seed=1))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_undoes_a_stretched_and_shifted_margin(method: str) -> None:
    margin, bought = world(50_000, line)
    calibrator = Calibrator(method, METHODS[method](margin, bought))
    middle = np.linspace(-3.0, 1.0, 9)
    found = calibrator(middle.astype(np.float32))
    assert found.tolist() == pytest.approx(line(middle).tolist(), abs=0.03)


@given(st.integers(1, 60), st.integers(0, 1000), st.sampled_from(sorted(METHODS)))
def test_every_table_rises_and_never_claims_certainty(carts: int, seed: int, method: str) -> None:
    margin, bought = world(carts, line, seed)
    table = METHODS[method](margin, bought)
    assert table.shape == MARGINS.shape
    assert (np.diff(table) >= 0.0).all()
    assert table[0] >= 0.0
    assert table[-1] <= 1.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=12))
def test_pooling_equals_the_minimax_formula(cells: list[tuple[int, int]]) -> None:
    """Robertson, Wright and Dykstra: the largest over starts of the smallest over ends of means."""
    bought = [float(min(hits, carts)) for hits, carts in cells]
    carts = [carts for _, carts in cells]
    expected = [
        max(
            min(
                sum(bought[first : last + 1]) / sum(carts[first : last + 1])
                for last in range(place, len(cells))
            )
            for first in range(place + 1)
        )
        for place in range(len(cells))
    ]
    assert _pool(bought, carts).tolist() == pytest.approx(expected)


def test_the_curve_is_taken_where_a_line_does_not_fit() -> None:
    assert calibrated(*world(20_000, steps)).calibrator.method == "isotonic"


@pytest.mark.parametrize("seed", range(5))
def test_a_line_is_taken_where_curves_gain_no_more_than_chance(seed: int) -> None:
    assert calibrated(*world(20_000, line, seed)).calibrator.method == "platt"


def test_a_method_that_is_clearly_better_is_taken() -> None:
    calibration = calibrated(*world(5000, steps))
    assert set(calibration.log_losses) == set(METHODS)
    taken = calibration.log_losses[calibration.calibrator.method]
    assert taken == min(calibration.log_losses.values())


def test_few_carts_get_a_line_only() -> None:
    assert set(calibrated(*world(ENOUGH_FOR_CURVES - 1, steps)).log_losses) == {"platt"}


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("carts", [2, 5, 3000])
def test_one_class_calibrates_to_a_probability_inside_0_and_1(carts: int, label: float) -> None:
    margin, _ = world(carts, line)
    probability = calibrated(margin, np.full(carts, label)).calibrator(np.zeros(1, np.float32))
    assert 0.0 < probability[0] < 1.0
    assert abs(probability[0] - label) < 0.5


def test_margins_that_mislead_calibrate_to_the_base_rate() -> None:
    margin, bought = world(5000, lambda margin: probability_of(-margin))
    table = METHODS["platt"](margin, bought)
    typical = np.interp([-3.0, 1.0], MARGINS, table)
    assert typical.tolist() == pytest.approx([bought.mean()] * 2, abs=0.02)


def test_margins_beyond_the_table_count_as_its_ends() -> None:
    calibrator = Calibrator("platt", METHODS["platt"](*world(3000, line)))
    ends = calibrator(np.array([-1e30, -np.inf, 1e30, np.inf], np.float32))
    low, high = calibrator.probability[[0, -1]]
    assert ends.tolist() == [low, low, high, high]


def test_a_table_survives_json_to_the_bit() -> None:
    calibrator = Calibrator("beta", METHODS["beta"](*world(3000, line)))
    again = Calibrator.from_json(calibrator.to_json())
    assert again.method == "beta"
    assert again.probability.tobytes() == calibrator.probability.tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"probability": [0.1, 0.2]},
        {"lowest_margin": -6.0},
        {"probability": np.linspace(0.9, 0.1, len(MARGINS)).tolist()},
        {"probability": np.linspace(0.0, 1.1, len(MARGINS)).tolist()},
    ],
)
def test_what_is_no_table_of_rising_probabilities_is_refused(change: dict[str, object]) -> None:
    facts = Calibrator("platt", METHODS["platt"](*world(100, line))).to_json()
    with pytest.raises(BundleError, match=r"calibration\.json"):
        Calibrator.from_json({**facts, **change})


def test_carts_of_a_group_share_a_fold() -> None:
    users = np.random.default_rng(1).integers(0, 40, 400)
    fold = folds(users, seed=1)
    assert set(fold) == set(range(5))
    assert all(len(set(fold[users == user])) == 1 for user in set(users))
    assert len(set(folds(np.zeros(10), seed=1))) == 5
