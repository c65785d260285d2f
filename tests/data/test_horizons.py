"""The horizon that is suggested where the one asked for leaves no cart to learn from."""

from collections.abc import Callable

import pytest

from cartwise.data.horizons import Suggestion, suggest

HOUR = 3600


def parted_where(most: dict[int, int]) -> Callable[[int], int]:
    """Tell of the first of these horizons that is as long or longer; 0 beyond all of them."""
    return lambda seconds: next((most[one] for one in sorted(most) if seconds <= one), 0)


@pytest.mark.parametrize(
    ("parted", "suggestion"),
    [
        ({HOUR: 100, 2 * HOUR: 50, 4 * HOUR: 49}, Suggestion("2h", 50, 100)),
        ({300: 49, HOUR: 7}, Suggestion("5m", 49, 100)),
        ({8 * HOUR: 3}, Suggestion("8h", 3, 100)),
        ({}, None),
    ],
    ids=["the longest with half", "the most without half", "the longest of equals", "none"],
)
def test_a_horizon_is_suggested_for_what_it_leaves_to_learn_from(
    parted: dict[int, int], suggestion: Suggestion | None
) -> None:
    assert suggest(parted_where(parted), 100) == suggestion


def test_a_suggestion_says_of_how_many_carts() -> None:
    told = str(Suggestion("30m", 812, 1404))
    assert told == "with --horizon 30m, 812 of 1,404 can be used"
