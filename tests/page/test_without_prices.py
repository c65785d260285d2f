"""No tab tells a decision of a cart whose price nobody knows."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cartwise.model.policy import WITHOUT_PRICES
from cartwise.page.batch import _told, read_batch, score_batch
from cartwise.page.client import Client
from cartwise.page.live import live
from cartwise.page.score import EXAMPLE, _answered
from tests.serving.running import running
from tests.serving.worlds import cart_json, make_world, write_model


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Of an API whose model was trained without prices."""
    world = make_world(write_model(tmp_path / "model", reference_price=0.0))
    with running(world.app) as api, closing(Client(api, world.keys["all"])) as client:
        yield client


def test_a_scored_cart_says_that_no_decision_can_be_told(client: Client) -> None:
    told, _ = _answered(client, EXAMPLE | {"price": "0"})
    assert WITHOUT_PRICES in told
    assert "no nudge" not in told
    assert "expected value" not in told
    told, _ = _answered(client, EXAMPLE | {"price": "0.01"})
    assert WITHOUT_PRICES not in told
    assert "no nudge" in told


def test_carts_of_late_have_a_share_worth_a_nudge_of_those_with_a_price(client: Client) -> None:
    client.score(cart_json(price=0.0), 0)
    told = live(client)
    assert "no price" in told
    assert "<dt>worth a nudge</dt><dd>cannot be told</dd>" in told
    client.score(cart_json(price=1e6), 0)
    assert "<dt>worth a nudge</dt><dd>100.0%</dd>" in live(client)


def test_a_batch_leaves_decisions_empty_and_says_of_how_many(
    client: Client, tmp_path: Path
) -> None:
    row = "2026-01-01 11:00:00 UTC,3,{},7\n"
    prices = (0, 1e6, 0)
    text = "event_time,product_id,price,user_id\n" + "".join(map(row.format, prices))
    (tmp_path / "carts.csv").write_text(text)
    batch = read_batch(tmp_path / "carts.csv")
    frame = score_batch(client, batch)
    assert frame["nudge"].to_list() == [None, True, None]
    assert frame["expected_value"].is_null().to_list() == [True, False, True]
    told = _told(batch, frame)
    assert f"No price is known for 2 carts. {WITHOUT_PRICES}" in told
    assert "<dt>worth a nudge</dt><dd>1</dd>" in told
