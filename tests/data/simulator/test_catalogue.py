import numpy as np
import pytest

from cartwise.data.simulator import published
from cartwise.data.simulator.catalogue import build_shop
from cartwise.data.simulator.shop import Shop, popularity_of

DAYS = 18_000 + np.arange(60)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return build_shop(seed=1, products=20_000)


def drawn(shop: Shop, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Categories and products of so many random views."""
    rng = np.random.default_rng(0)
    category = shop.category_at(rng.random(count))
    return category, shop.product_at(category, rng.random(count))


def test_categories_are_viewed_as_published(shop: Shop) -> None:
    category, _ = drawn(shop, 300_000)
    events = published.categories()["events_thousand"].to_numpy()
    seen = np.bincount(category, minlength=len(events)) / len(category)
    assert abs(seen - events / events.sum()).max() < 0.003


def test_product_belongs_to_its_category(shop: Shop) -> None:
    category, product = drawn(shop, 100_000)
    assert (shop.category[product] == category).all()


def test_views_fall_with_rank_as_their_formula_says(shop: Shop) -> None:
    _, product = drawn(shop, 300_000)
    phones = product[product < shop.product_count[0]]
    share = np.bincount(phones, minlength=10)[:10] / len(phones)
    expected = np.diff(popularity_of(np.arange(11), shop.product_count[0]))
    assert share == pytest.approx(expected, abs=0.005)


def test_product_ids_are_unique_and_tell_no_rank(shop: Shop) -> None:
    ids = shop.product_ids
    assert len(np.unique(ids)) == len(ids)
    phones = ids[: shop.product_count[0]]
    assert abs(np.corrcoef(np.arange(len(phones)), phones)[0, 1]) < 0.1


def test_prices_move_and_promotions_end(shop: Shop) -> None:
    product = np.full(len(DAYS), 5)
    prices = shop.price(product, DAYS)
    assert 5 < len(np.unique(prices)) < 40
    products = np.arange(len(shop.category))
    discounts = np.array([shop.discount(products, np.full(len(products), day)) for day in DAYS])
    assert (discounts > 0).mean() == pytest.approx(0.1, abs=0.01)
    assert discounts.max() <= 0.3
    assert not (discounts > 0).all(axis=0).any()


def test_price_is_lower_by_the_discount(shop: Shop) -> None:
    products = np.arange(len(shop.category))
    day = np.full(len(products), DAYS[0])
    reduced = (shop.discount(products, day) > 0) & (shop.base_price < 1000)
    share = shop.price(products, day)[reduced] / shop.base_price[products[reduced]]
    assert share.mean() == pytest.approx(0.8, abs=0.02)


def test_price_is_zero_where_the_log_lost_it(shop: Shop) -> None:
    products = np.arange(len(shop.category))
    day = np.full(len(products), DAYS[0])
    assert ((shop.price(products, day) == 0) == shop.unpriced(products, day)).all()
