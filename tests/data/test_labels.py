"""Labels against their definition, cart by cart."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwise.data import labels
from cartwise.data.labels import PAIR_MEMORY_SECONDS, LabelSettings, Scope, labelled_carts
from cartwise.data.lake import stored_days
from tests.data.logs import write_lake
from tests.logs import START, logs
from tests.reference import Event

DAY = 86_400


def event(
    time: int, kind: str, product: int = 1, user: int = 1, session: str | None = "s"
) -> Event:
    return Event(START + time, kind, product, 1, "b", 9.5, user, session)


def labels_of(log: Sequence[Event], label_settings: LabelSettings) -> list[tuple[int, bool]]:
    with TemporaryDirectory() as folder:
        lake = write_lake(Path(folder), log)
        by_day = labelled_carts(lake, stored_days(lake), label_settings)
        return [row for _, carts in by_day for row in carts.select("time", "bought").rows()]


def expected_labels(log: Sequence[Event], label_settings: LabelSettings) -> list[tuple[int, bool]]:
    """Straight from the definition, over all events after each cart."""
    return [
        (cart.time, any(_buys(later, cart, label_settings) for later in log[place + 1 :]))
        for place, cart in enumerate(log)
        if cart.event_type == "cart" and cart.user_session and _is_first(cart, log[:place])
    ]


def _buys(later: Event, cart: Event, label_settings: LabelSettings) -> bool:
    same_session = later.user_session == cart.user_session
    return (
        later.event_type == "purchase"
        and (later.user_id, later.product_id) == (cart.user_id, cart.product_id)
        and later.time - cart.time <= label_settings.horizon_seconds
        and (same_session or label_settings.scope == "user")
    )


def _is_first(cart: Event, before: Sequence[Event]) -> bool:
    return not any(
        past.event_type == "cart"
        and (past.user_session, past.product_id) == (cart.user_session, cart.product_id)
        and cart.time - past.time <= PAIR_MEMORY_SECONDS
        for past in before
    )


@settings(max_examples=60)
@given(
    logs(max_size=40),
    st.sampled_from([1, 600, 3600, DAY, 3 * DAY]),
    st.sampled_from(["user", "session"]),
)
def test_labels_equal_their_definition(log: list[Event], horizon: int, scope: Scope) -> None:
    label_settings = LabelSettings(horizon, scope)
    assert labels_of(log, label_settings) == expected_labels(log, label_settings)


def test_a_purchase_at_the_end_of_the_horizon_counts_and_one_second_later_does_not() -> None:
    log = [event(0, "cart"), event(1, "cart", product=2), event(DAY, "purchase")]
    late = [*log, event(DAY + 2, "purchase", product=2)]
    assert labels_of(late, LabelSettings(DAY)) == [(START, True), (START + 1, False)]


def test_a_purchase_after_midnight_counts_for_the_evening_before() -> None:
    midnight = DAY - START % DAY
    log = [event(midnight - 30, "cart"), event(midnight + 30, "purchase")]
    assert labels_of(log, LabelSettings(3600)) == [(START + midnight - 30, True)]


def test_a_purchase_in_the_second_of_the_cart_counts_only_below_it() -> None:
    below = [event(0, "cart"), event(0, "purchase")]
    assert labels_of(below, LabelSettings()) == [(START, True)]
    assert labels_of(below[::-1], LabelSettings()) == [(START, False)]


def test_another_session_counts_for_the_user_and_not_for_the_session() -> None:
    log = [event(0, "cart"), event(60, "purchase", session="other")]
    assert labels_of(log, LabelSettings(scope="user")) == [(START, True)]
    assert labels_of(log, LabelSettings(scope="session")) == [(START, False)]


def test_another_users_purchase_in_the_same_session_is_not_this_users() -> None:
    log = [event(0, "cart"), event(60, "purchase", user=2)]
    assert labels_of(log, LabelSettings(scope="session")) == [(START, False)]


@pytest.mark.parametrize(("gap", "carts"), [(PAIR_MEMORY_SECONDS, 1), (PAIR_MEMORY_SECONDS + 1, 2)])
def test_a_pair_is_a_cart_again_once_its_state_has_expired(gap: int, carts: int) -> None:
    log = [event(0, "cart"), event(gap, "cart")]
    assert len(labels_of(log, LabelSettings())) == carts


def test_forgetting_expired_pairs_changes_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "_FEW", 0)
    log = [
        event(day * DAY + number, kind, product=number, session=f"s{number % 2}")
        for day in (0, 1, 2, 9, 10, 30)
        for number in range(4)
        for kind in ("cart", "purchase")
    ]
    assert labels_of(log, LabelSettings()) == expected_labels(log, LabelSettings())
