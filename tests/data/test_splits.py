"""Parts follow each other in time, and no outcome of one part reaches into the next."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise.data.splits import FATES, Split, SplitSettings, split
from cartwise.errors import NotEnoughData
from cartwise.parts import PARTS

DAY = 86_400


def times_of(result: Split, times: np.ndarray, part: str) -> np.ndarray:
    return times[result.fates == FATES.index(part)]


@given(
    st.integers(0, 2**32),
    st.integers(5, 6000),
    st.sampled_from([60, 3600, DAY]),
    st.integers(2, 60),
)
def test_every_outcome_is_known_before_the_next_part_begins(
    seed: int, carts: int, horizon: int, days: int
) -> None:
    times = np.sort(np.random.default_rng(seed).integers(0, days * DAY, carts))
    try:
        result = split(times, horizon, SplitSettings())
    except NotEnoughData:
        return
    parts = [times_of(result, times, part) for part in PARTS]
    filled = [part for part in parts if len(part)]
    assert all(earlier.max() + horizon < later.min() for earlier, later in pairwise(filled))
    assert len(filled) == (2 if result.is_small else 4)
    assert sum(map(len, filled)) + result.count("embargoed") == carts


def test_a_long_log_is_cut_by_share() -> None:
    times = np.arange(0, 100 * DAY, 600)
    result = split(times, 3600, SplitSettings())
    shares = [result.count(part) / len(times) for part in PARTS]
    assert shares == pytest.approx([0.6, 0.1, 0.1, 0.2], abs=0.001)


def test_a_cart_whose_horizon_ends_as_the_next_part_begins_is_embargoed() -> None:
    times = np.arange(0, 100 * DAY, 600)
    result = split(times, 3600, SplitSettings())
    for earlier, later in pairwise(PARTS):
        begin = times_of(result, times, later).min()
        assert times_of(result, times, earlier).max() == begin - 3600 - 600


def test_a_small_sample_has_two_parts() -> None:
    result = split(np.arange(100) * 600, 1800, SplitSettings())
    assert result.is_small
    assert result.count("validation") == result.count("calibration") == 0


def test_carts_too_close_together_are_refused_with_what_to_do() -> None:
    told = "24 h between training and test: give a log of 3 d or more"
    with pytest.raises(NotEnoughData, match=told):
        split(np.arange(100), DAY, SplitSettings())


def test_carts_of_many_days_are_told_to_be_of_too_short_a_log_only() -> None:
    # The border lies in the first of two moments: before it is nothing.
    times = np.repeat([0, 30 * DAY], [50, 2])
    with pytest.raises(NotEnoughData, match=r"training and test: give a longer log$"):
        split(times, DAY, SplitSettings())


def test_a_lone_cart_is_not_told_to_have_another_horizon() -> None:
    with pytest.raises(NotEnoughData, match="1 cart with a known outcome") as caught:
        split(np.array([5]), DAY, SplitSettings())
    assert "horizon" not in str(caught.value)


def test_by_month_tests_on_the_last_and_halves_the_one_before() -> None:
    start = np.datetime64("2019-10-01", "s").astype(np.int64)
    times = np.arange(start, start + 213 * DAY, 3600)  # October to April
    result = split(times, DAY, SplitSettings(by="month"))
    first = {part: times_of(result, times, part)[0].astype("datetime64[s]") for part in PARTS}
    assert str(first["validation"]) == "2020-03-01T00:00:00"
    assert str(first["calibration"]) == "2020-03-16T12:00:00"
    assert str(first["test"]) == "2020-04-01T00:00:00"


def test_by_month_takes_three_months() -> None:
    with pytest.raises(NotEnoughData, match="2 calendar month"):
        split(np.arange(0, 40 * DAY, 600), DAY, SplitSettings(by="month"))
