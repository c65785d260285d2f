import numpy as np

from cartwise.data.simulator.timeline import earlier_rivals
from cartwise.data.simulator.visits import MOST_REMEMBERED, REMEMBERED_SECONDS, nobody


def test_who_came_before_a_time_is_the_last_one() -> None:
    recent = nobody().followed_by(np.array([10, 20, 20, 30]), np.array([1, 2, 3, 4]))
    person, anybody = recent.before(np.array([5.0, 10.0, 10.5, 21.0, 99.0]))
    assert anybody.tolist() == [False, False, True, True, True]
    assert person[anybody].tolist() == [1, 3, 4]


def test_memory_of_visits_is_bounded_in_number_and_time() -> None:
    recent = nobody()
    for hour in range(40):
        start = 3600 * hour + np.arange(3600).repeat(10)
        recent = recent.followed_by(start, np.arange(len(start))).thinned()
        assert len(recent.start) <= MOST_REMEMBERED
    assert np.diff(recent.start).min() >= 0
    assert recent.start.min() >= recent.start.max() - REMEMBERED_SECONDS
    assert recent.start.min() < recent.start.max() - REMEMBERED_SECONDS / 2


def test_rivals_are_earlier_carts_of_the_same_visit_and_category() -> None:
    visit = np.array([1, 1, 1, 1, 2])
    category = np.array([5, 5, 6, 5, 5])
    time = np.array([30, 10, 20, 40, 50])
    assert earlier_rivals(visit, category, time).tolist() == [1, 0, 0, 2, 0]
