import numpy as np
import pytest

from cartwise.data.simulator.randomness import Trait, logistic, mixed, normal, uniform

PEOPLE = np.arange(200_000)


def test_numbers_depend_on_nothing_but_their_keys() -> None:
    whole = normal(1, Trait.BUDGET, PEOPLE)
    part = normal(1, Trait.BUDGET, PEOPLE[1000:1010])
    assert part.tolist() == whole[1000:1010].tolist()


def test_uniform_is_uniform() -> None:
    counts, _ = np.histogram(uniform(1, Trait.NEED, PEOPLE), bins=20, range=(0, 1))
    assert abs(counts - 10_000).max() < 500


def test_normal_is_standard_normal() -> None:
    numbers = normal(1, Trait.BUDGET, PEOPLE)
    assert numbers.mean() == pytest.approx(0, abs=0.01)
    assert numbers.std() == pytest.approx(1, abs=0.01)
    assert (abs(numbers) > 2).mean() == pytest.approx(0.0455, abs=0.003)


@pytest.mark.parametrize(
    "other", [normal(1, Trait.CURIOSITY, PEOPLE), normal(2, Trait.BUDGET, PEOPLE)]
)
def test_traits_and_seeds_are_independent(other: np.ndarray) -> None:
    assert abs(np.corrcoef(normal(1, Trait.BUDGET, PEOPLE), other)[0, 1]) < 0.01


def test_order_of_keys_matters() -> None:
    assert mixed(1, 2)[0] != mixed(2, 1)[0]


def test_logistic_turns_logits_into_probabilities() -> None:
    assert logistic(np.array([0.0, np.log(3.0)])).tolist() == pytest.approx([0.5, 0.75])
