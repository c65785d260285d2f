import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cartwise.data.simulator.ledger import Ledger

CARTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=40
)


@given(CARTS)
def test_cart_is_free_unless_one_of_the_same_key_lasts(carts: list[tuple[int, int, int]]) -> None:
    ledger, until = Ledger(), dict[int, int]()
    for key, time, lasts in carts:
        keys = np.array([key])
        free = ledger.free(keys, np.array([time]))[0]
        assert free == (time >= until.get(key, 0))
        if free:
            ledger.take(keys, np.array([time + lasts]))
            until[key] = time + lasts


def test_of_equal_keys_only_the_first_is_free() -> None:
    free = Ledger().free(np.array([7, 3, 7]), np.array([1, 1, 1]))
    assert free.tolist() == [True, True, False]


def test_forgetting_keeps_what_still_lasts() -> None:
    ledger = Ledger()
    ledger.take(np.array([1, 2]), np.array([10, 20]))
    ledger.forget(15)
    assert ledger.free(np.array([1, 2]), np.array([5, 19])).tolist() == [True, False]
