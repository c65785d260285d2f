"""The tab *Live*: carts as they come, with their scores and, later, what became of them."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import gradio as gr

from cartwise.errors import ApiError
from cartwise.page.client import Client
from cartwise.page.markup import bar, error, figures, note, table, tag
from cartwise.page.polling import QUIETLY, Moments

ROWS: Final = 25
LOOKED_AT: Final = 500
COLUMNS: Final = ("time", "product", "price", "probability", "nudge", "outcome")
OUTCOMES: Final = {"bought": "for", "not bought": "against", "open": "other", "unknown": "other"}


def live_tab(client: Client, moments: Moments) -> None:
    """Build the tab; it looks at these moments."""
    shown = gr.HTML(elem_id="live")
    gr.on(moments, lambda: live(client), outputs=shown, **QUIETLY)


def live(client: Client) -> str:
    """Carts of late, and how their scores held up so far."""
    try:
        scores = client.recent(LOOKED_AT)
    except ApiError as problem:
        return error(problem)
    if not scores:
        return note("No cart has been scored yet. The latest will stand here, the newest first.")
    return figures(_figures(scores)) + table("Carts of late", COLUMNS, map(_row, scores[:ROWS]))


def _figures(scores: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    bought = [one for one in scores if one["outcome"] == "bought"]
    settled = [one for one in scores if one["outcome"] in ("bought", "not bought")]
    nudged = [one["nudge"] for one in scores if one["reckoned_price"]]
    return [
        ("carts of late", f"{len(scores):,}"),
        ("mean probability", f"{sum(one['probability'] for one in scores) / len(scores):.1%}"),
        ("bought so far", f"{len(bought) / len(scores):.1%}"),
        ("outcome known", f"{len(settled):,}"),
        ("worth a nudge", f"{sum(nudged) / len(nudged):.1%}" if nudged else "cannot be told"),
    ]


def _row(score: Mapping[str, Any]) -> Sequence[str]:
    cart = score["cart"]
    what = " ".join(filter(None, (cart["brand"], cart["category_code"]))) or "unnamed"
    return (
        escape(cart["event_time"][11:19]),
        escape(f"{what} {cart['product_id']}"),
        f"{cart['price']:,.2f}",
        bar(score["probability"]),
        _advice(score),
        tag(score["outcome"], OUTCOMES[score["outcome"]]),
    )


def _advice(score: Mapping[str, Any]) -> str:
    if not score["reckoned_price"]:
        return "no price"
    return f"{score['expected_value']:+.2f}" if score["nudge"] else "no"
