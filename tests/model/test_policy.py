import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise.errors import BundleError, InputError
from cartwise.model.policy import VALUE_CARTS, Economics, Policy, what_if

SHARES = st.floats(0.01, 1.0)
PRICES = st.floats(0.01, 1e5)


def test_a_nudge_earns_only_on_carts_that_would_not_have_been_bought_anyway() -> None:
    economics = Economics(margin_share=0.5, nudge_cost=2.0, bought_anyway_share=0.9)
    value = economics.expected_value(np.array([0.5, 0.0, 1.0]), np.array([100.0, 100.0, 10.0]))
    assert value.tolist() == pytest.approx([0.5 * 0.1 * 0.5 * 100 - 2, -2.0, 0.5 - 2])


@given(SHARES, st.floats(0.0, 50.0), st.floats(0.0, 0.99), PRICES, st.floats(0.0, 1.0))
def test_it_pays_to_nudge_just_above_the_threshold(
    margin: float, cost: float, anyway: float, price: float, probability: float
) -> None:
    economics = Economics(margin, cost, anyway)
    threshold = economics.threshold(price)
    assert 0.0 <= threshold <= 1.0
    pays = Policy(economics, price).pays(np.array([probability]), np.array([price]))
    if abs(probability - threshold) > 1e-9:
        assert pays[0] == (probability > threshold)


def test_where_no_price_is_known_no_nudge_pays() -> None:
    policy = Policy(Economics(), 0.0)
    assert policy.threshold == 1.0
    assert not policy.pays(np.array([1.0]), np.array([0.0]))[0]


def test_the_reference_price_stands_for_one_that_is_unknown() -> None:
    policy = Policy(Economics(), 80.0)
    probability, price = np.array([1.0, 1.0, 0.2]), np.array([0.0, 10.0, 0.0])
    assert policy.expected_value(probability, price).tolist() == pytest.approx([3.0, -0.5, -0.2])
    assert policy.pays(probability, price).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("margin_share", 0.0),
        ("margin_share", 1.1),
        ("bought_anyway_share", 1.0),
        ("bought_anyway_share", -0.1),
        ("nudge_cost", -1.0),
        ("nudge_cost", float("nan")),
        ("margin_share", float("nan")),
    ],
)
def test_impossible_economics_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name.partition("_")[0]):
        Economics(**{name: value})


def test_a_policy_survives_json() -> None:
    policy = Policy(Economics(0.3, 2.5, 0.6), 99.9)
    assert Policy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    "change", [{"margin_share": "much"}, {"margin_share": 7}, {"nudge_cost": None}]
)
def test_what_is_no_policy_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BundleError, match=r"policy\.json"):
        Policy.from_json({**Policy(Economics(), 1.0).to_json(), **change})


CARTS = st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1000.0)), min_size=1, max_size=40)


@given(CARTS, st.floats(0.0, 50.0), st.floats(0.0, 0.99))
def test_no_share_of_carts_earns_more_than_those_for_which_it_pays(
    carts: list[tuple[float, float]], cost: float, anyway: float
) -> None:
    probability, price = np.array(carts).T
    asked = what_if(probability, price, Economics(0.3, cost, anyway))
    assert asked.value.max() <= asked.best_value + 1e-6
    assert asked.value[0] == 0.0
    everyone = Economics(0.3, cost, anyway).expected_value(probability, price).mean() * VALUE_CARTS
    assert asked.everyone_value == pytest.approx(everyone, abs=1e-6)
    assert 0.0 <= asked.best_share <= 1.0


def test_a_dearer_nudge_pays_for_fewer_carts_and_earns_less() -> None:
    probability, price = np.linspace(0.0, 1.0, 50), np.full(50, 40.0)
    cheap, dear = (what_if(probability, price, Economics(nudge_cost=cost)) for cost in (0.2, 1.0))
    assert cheap.best_share > dear.best_share > 0.0
    assert cheap.best_value > dear.best_value > 0.0
    assert dear.bought_share > cheap.bought_share


def test_what_if_of_no_cart_is_refused() -> None:
    with pytest.raises(InputError, match="no cart"):
        what_if(np.empty(0), np.empty(0), Economics())


def test_what_if_is_json() -> None:
    told = what_if(np.array([0.5]), np.array([100.0]), Economics()).to_json()
    assert json.loads(json.dumps(told))["best_value"] == pytest.approx(1500.0)
