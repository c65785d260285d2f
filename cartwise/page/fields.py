"""What a person reads in the place of the names that the API has for what it takes."""

from typing import Final

CART: Final = {
    "user_id": "User",
    "product_id": "Product",
    "category_id": "Category",
    "category_code": "Category's name",
    "brand": "Brand",
    "price": "Price (0: unknown)",
    "user_session": "Session",
    "event_time": "Time of the cart (UTC)",
}
ECONOMICS: Final = {
    "margin_share": "Margin, as a share of the price",
    "nudge_cost": "Cost of a nudge",
    "bought_anyway_share": "Share that had bought anyway",
}


def label_of(pointer: str) -> str:
    """``label_of("#/brand") == "Brand"``; where the page has no such field, the pointer itself."""
    name = pointer.rpartition("/")[2]
    return (CART | ECONOMICS).get(name, pointer)
