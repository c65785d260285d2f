import pytest

from cartwise.errors import InputError
from cartwise.page.score import EXAMPLE, cart_of


def test_a_typed_cart_keeps_every_digit_and_leaves_out_what_is_empty() -> None:
    cart = cart_of({**EXAMPLE, "user_id": str(2**63 - 1), "brand": "  "})
    assert cart["user_id"] == 2**63 - 1
    assert cart["price"] == 128.42
    assert "brand" not in cart


@pytest.mark.parametrize("price", ["much", "nan", "inf", "1e999"])
def test_a_price_that_is_no_number_is_explained(price: str) -> None:
    with pytest.raises(InputError, match="Price"):
        cart_of({**EXAMPLE, "price": price})
