import os
from contextlib import closing
from pathlib import Path

import pytest

from cartwise.errors import InputError
from cartwise.page.client import Away, Client
from cartwise.page.score import EXAMPLE, _answered, beginning, cart_of, first_cart
from cartwise.page.serving import private_folder
from tests.serving.running import running
from tests.serving.worlds import CART_TIME, cart_event, cart_json, history, make_world, write_model


def test_a_typed_cart_keeps_every_digit_and_leaves_out_what_is_empty() -> None:
    cart = cart_of({**EXAMPLE, "user_id": str(2**63 - 1), "brand": "  "})
    assert cart["user_id"] == 2**63 - 1
    assert cart["price"] == 128.42
    assert "brand" not in cart


@pytest.mark.parametrize("price", ["much", "nan", "inf", "1e999"])
def test_a_price_that_is_no_number_is_explained(price: str) -> None:
    with pytest.raises(InputError, match="Price"):
        cart_of({**EXAMPLE, "price": price})


def test_a_page_begins_where_the_shop_is(tmp_path: Path) -> None:
    world = make_world(write_model(tmp_path / "model"))
    with running(world.app) as api, closing(Client(api, world.keys["all"])) as client:
        assert first_cart(client) == {}
        world.states.apply(history())
        assert first_cart(client) == {"event_time": "2026-01-01T10:59:00Z"}
        client.score(cart_json(product_id=3), 0)
        assert first_cart(client) == cart_json(product_id=3)
    with closing(Client(api, world.keys["all"])) as client, pytest.raises(Away):
        first_cart(client)


def test_what_somebody_has_typed_meanwhile_stays() -> None:
    cart = cart_json(product_id=3)
    untouched = beginning(cart, EXAMPLE)
    assert untouched["product_id"] == "3"
    typed = beginning(cart, {**EXAMPLE, "product_id": "9"})
    assert typed == {name: text for name, text in untouched.items() if name != "product_id"}


def test_a_score_is_shown_although_those_of_late_cannot_be_asked_for(tmp_path: Path) -> None:
    world = make_world(write_model(tmp_path / "model"))
    world.states.apply(history())
    values = EXAMPLE | {"event_time": "2026-01-01T10:00:00Z"}
    told = {}
    with running(world.app) as api:
        for key in ("all", "score"):
            with closing(Client(api, world.keys[key])) as client:
                told[key], _ = _answered(client, values)
    assert "likely to be bought" in told["score"]
    assert "not what was said when the cart came" in told["score"]
    assert told["score"] == told["all"]


def test_of_answers_to_one_cart_the_first_is_what_was_said_then(tmp_path: Path) -> None:
    world = make_world(write_model(tmp_path / "model"))
    world.states.apply(history())
    cart = cart_json()
    with running(world.app) as api, closing(Client(api, world.keys["all"])) as client:
        first = client.score(cart, 0)["probability"]
        world.states.apply([cart_event(time=CART_TIME + minute * 60) for minute in range(1, 9)])
        again = client.score(cart, 0)["probability"]
        told, _ = _answered(client, {name: str(value) for name, value in cart.items()})
    assert f"{first:.1%}" != f"{again:.1%}"
    assert f"Then, it was {first:.1%}." in told


def test_a_folder_for_copies_that_somebody_chose_is_kept_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "copies"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(chosen))
    with private_folder() as folder:
        assert folder.parent == chosen
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert os.environ["GRADIO_TEMP_DIR"] == str(chosen)
    assert list(chosen.iterdir()) == []
