from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from cartwise.model.slices import Slice, slice_carts

START = datetime(2026, 1, 1, tzinfo=UTC)


def carts(rows: int = 240, **columns: object) -> pl.DataFrame:
    random = np.random.default_rng(1)
    facts = {
        "user_id": random.integers(0, 50, rows),
        "category_code": ["electronics.audio" if row % 3 else None for row in range(rows)],
        "price": [float(row) for row in range(rows)],
        "cart_time": [START + timedelta(hours=row) for row in range(rows)],
        "label": random.integers(0, 2, rows).astype(np.uint8),
        "probability": random.random(rows),
        "user_events_before": [0.0, 5.0] * (rows // 2),
        "product_events_before": [1.0, 9.0] * (rows // 2),
        "session_depth": [1.0, 2.9, 9.5, 30.0] * (rows // 4),
    }
    return pl.DataFrame(facts | columns)


def names(slices: list[Slice], dimension: str) -> dict[str, int]:
    return {one.name: one.carts for one in slices if one.dimension == dimension}


def sliced(frame: pl.DataFrame) -> list[Slice]:
    return slice_carts(frame, draws=40, seed=1)


def test_every_dimension_of_the_design_deals_all_carts() -> None:
    slices = sliced(carts())
    dimensions = {one.dimension for one in slices}
    assert dimensions == {"category", "price", "user", "product", "hour (UTC)", "session depth"}
    for dimension in dimensions:
        assert sum(names(slices, dimension).values()) == 240


def test_bands_hold_what_they_say() -> None:
    slices = sliced(carts())
    assert names(slices, "category") == {"electronics": 160, "without a code": 80}
    assert names(slices, "hour (UTC)")["04:00 to 07:59"] == 40
    assert names(slices, "user") == {"known user": 120, "new user": 120}
    assert names(slices, "product") == {"known product": 120, "new product": 120}
    assert names(slices, "session depth") == {
        "1: first event": 60,
        "2: 2 to 3 events": 60,
        "3: 4 to 10 events": 60,
        "4: more events": 60,
    }
    prices = names(slices, "price")
    assert prices.pop("5: unknown") == 1
    assert all(59 <= size <= 61 for size in prices.values())


def test_what_decay_leaves_of_the_own_session_makes_nobody_known() -> None:
    slices = sliced(carts(user_events_before=[1.2] * 240, session_depth=[20.0] * 240))
    assert names(slices, "user") == {"new user": 240}


def test_small_categories_go_together() -> None:
    codes = [f"c{row % 12:02}.x" if row > 12 else "c00.x" for row in range(240)]
    found = names(sliced(carts(category_code=codes)), "category")
    assert len(found) == 9
    assert found["all others"] == 240 - sum(n for name, n in found.items() if name != "all others")


def test_a_dimension_whose_feature_is_absent_is_left_out() -> None:
    slices = sliced(carts().drop("session_depth"))
    dimensions = {one.dimension for one in slices}
    assert dimensions == {"category", "price", "product", "hour (UTC)"}


def test_bands_of_prices_are_of_known_ones() -> None:
    slices = sliced(carts(price=[0.0, 8.0, 9.0] * 80))
    assert names(slices, "price") == {
        "1: up to 8.00": 80,
        "2: 8.00 to 9.00": 80,
        "5: unknown": 80,
    }
    assert names(sliced(carts(price=[0.0] * 240)), "price") == {}


def test_a_slice_measures_its_own_carts() -> None:
    frame = carts(label=[0, 1] * 120, probability=[0.2, 0.8] * 120)
    (category, *_) = [one for one in sliced(frame) if one.name == "electronics"]
    assert (category.auc.value, category.auc.low, category.auc.high) == (1.0, 1.0, 1.0)
    assert [category.bought.value, category.predicted] == pytest.approx([0.5, 0.5])
    (known,) = [one for one in sliced(frame) if one.name == "known user"]
    assert known.bought.value == 1.0
    assert np.isnan(known.auc.value)


def test_equal_prices_and_missing_categories_make_single_slices() -> None:
    slices = sliced(
        carts(price=[5.0] * 240, category_code=pl.Series([None] * 240, dtype=pl.String))
    )
    assert list(names(slices, "price").values()) == [240]
    assert names(slices, "category") == {"without a code": 240}
