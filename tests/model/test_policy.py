import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise.errors import BundleError, InputError
from cartwise.model.policy import Economics, Policy

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


def test_a_cart_without_price_is_never_worth_a_nudge() -> None:
    policy = Policy(Economics(), 0.0)
    assert policy.threshold == 1.0
    assert not policy.pays(np.array([1.0]), np.array([0.0]))[0]


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
    with pytest.raises(InputError, match=name):
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
