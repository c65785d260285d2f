"""The tab *Score a cart*: pick a cart of late or type one; how likely, what to do, and why."""

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import gradio as gr

from cartwise.duration import format_duration
from cartwise.errors import ApiError, InputError
from cartwise.model.policy import WITHOUT_PRICES
from cartwise.page.client import Away, Client, Facts
from cartwise.page.fields import CART
from cartwise.page.hindsight import seconds_after
from cartwise.page.markup import error, note, tag, warning
from cartwise.page.polling import QUIETLY, Moments
from cartwise.page.waterfall import waterfall

REASONS: Final = 8
RECENT: Final = 50
FIRST: Final = "first"
AGAIN: Final = "again"
DONE: Final = ""
Due = str | dict[str, str]
"""What is due at the next moment: to begin, to begin again since nothing answered, nothing, or to
ask again of a cart, unless somebody types on."""
INTEGERS: Final = frozenset({"user_id", "product_id", "category_id"})
EXAMPLE: Final = {
    "user_id": "520088904",
    "product_id": "1004856",
    "category_id": "2053013555631882655",
    "category_code": "electronics.smartphone",
    "brand": "samsung",
    "price": "128.42",
    "user_session": "4d3b30da-a5e4-49df-b1a8-ba5943f1dd33",
    "event_time": "2019-12-06T12:00:00Z",
}
NO_ANSWER: Final = note("The answer will stand here.")


def score_tab(client: Client, moments: Moments, timer: gr.Timer) -> None:
    """Build the tab; at ``moments``, it shows a cart of the shop instead of the example, and asks
    again what the API, being away, did not answer. The ``timer`` rests while nothing is due."""
    # Gradio's number fields lose digits of ids beyond 2^53: they are text here.
    with gr.Row():
        picked = gr.Dropdown(
            label="Carts of late", choices=[], value=None, info="or type one below", scale=4
        )
        again = gr.Button("Look for newer carts", scale=1, size="sm")
    known, first, due = gr.State({}), gr.State(({}, "")), gr.State(FIRST)
    boxes = []
    for names in (list(CART)[:4], list(CART)[4:]):
        with gr.Row():
            boxes += [
                gr.Textbox(EXAMPLE[name], label=CART[name], max_lines=1, min_width=140)
                for name in names
            ]
    ask = gr.Button("Score this cart", variant="primary")
    shown = gr.HTML(NO_ANSWER, elem_id="answer")

    def look() -> tuple[Any, Any, Any]:
        try:
            carts = {_title(one["cart"]): one["cart"] for one in client.recent(RECENT)}
        except ApiError as problem:
            return gr.skip(), gr.skip(), error(problem)
        return gr.Dropdown(choices=list(carts)), carts, gr.skip()

    def begin(due: Due, *values: str) -> tuple[tuple[Facts, str], Due]:
        typed = dict(zip(CART, values, strict=True))
        if due == typed:
            told, due = _answered(client, typed)
            return ({}, told), due
        if due in (FIRST, AGAIN) and typed == EXAMPLE:
            return _first_answer(client)
        return ({}, ""), DONE

    def answer(*values: str) -> tuple[str, Due]:
        return _answered(client, dict(zip(CART, values, strict=True)))

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
    # The API may take its time: what the boxes hold is asked again after its answer.
    begins = gr.on(moments, begin, [due, *boxes], [first, due], **QUIETLY)
    begins.then(_begun, [first, known, *boxes], [picked, known, shown, *boxes], **QUIETLY)
    begins.then(_rest, due, timer, **QUIETLY)
    due.change(_wake, due, timer, **QUIETLY)
    again.click(look, outputs=[picked, known, shown], **private)
    picked.focus(look, outputs=[picked, known, shown], **private)
    filled = picked.input(_fill, [picked, known], boxes, **private)
    filled.then(answer, boxes, [shown, due], **private)
    ask.click(answer, boxes, [shown, due], **private)
    for box in boxes:
        box.submit(answer, boxes, [shown, due], **private)


def _rest(due: Due) -> Any:
    return gr.Timer(active=False) if due == DONE else gr.skip()


def _wake(due: Due) -> Any:
    # Nobody asked for what is due at the beginning: they may be at another tab by now.
    return gr.Timer(active=True) if isinstance(due, dict) else gr.skip()


def _fill(title: str | None, carts: dict[str, Any]) -> list[Any]:
    """The boxes of a cart that was picked."""
    cart = carts.get(title or "")
    return list(_texts(cart).values()) if cart else [gr.skip() for _ in CART]


def _begun(first: tuple[Facts, str], carts: dict[str, Any], *values: str) -> list[Any]:
    """The first answer in its place, and its cart in the boxes that nobody has typed into."""
    (cart, told), typed = first, dict(zip(CART, values, strict=True))
    texts = beginning(cart, typed)
    boxes = [texts.get(name, gr.skip()) for name in CART]
    if not _is_whole(cart):
        return [gr.skip(), gr.skip(), told or gr.skip(), *boxes]
    if typed != EXAMPLE:
        return [gr.skip(), gr.skip(), gr.skip(), *boxes]
    carts = carts | {_title(cart): cart}
    return [gr.Dropdown(choices=list(carts), value=_title(cart)), carts, told, *boxes]


def _first_answer(client: Client) -> tuple[tuple[Facts, str], Due]:
    """A cart of the shop with what is told of it, and what is due then."""
    try:
        cart = first_cart(client)
    except Away as problem:
        return ({}, error(problem)), AGAIN
    told, due = _answered(client, _texts(cart)) if _is_whole(cart) else (NO_ANSWER, DONE)
    return (cart, told), due


def _is_whole(cart: Facts) -> bool:
    return CART.keys() <= cart.keys()


def first_cart(client: Client) -> Facts:
    """What to begin with: the latest cart, or the time up to which the store knows the shop.

    Raises Away.
    """
    try:
        if latest := client.recent(1):
            return dict(latest[0]["cart"])
        known = client.status()["latest_event"]
    except Away:
        raise
    except ApiError:
        return {}
    return {"event_time": known} if known else {}


def beginning(cart: Facts, typed: Mapping[str, str]) -> dict[str, str]:
    """What of a cart goes into the boxes: into those that nobody has typed into."""
    return {
        name: _text(value) for name, value in cart.items() if typed.get(name) == EXAMPLE.get(name)
    }


def cart_of(values: Mapping[str, str]) -> dict[str, Any]:
    """The cart that a person typed; raises InputError where a number is none."""
    cart: dict[str, Any] = {}
    for name, text in values.items():
        if text := text.strip():
            cart[name] = _number(name, text) if name in {*INTEGERS, "price"} else text
    return cart


def _number(name: str, text: str) -> float:
    try:
        number = int(text) if name in INTEGERS else float(text)
    except ValueError as bad:
        raise InputError(f"{CART[name]}: '{text}' is no number") from bad
    if not math.isfinite(number):
        raise InputError(f"{CART[name]}: '{text}' is no finite number")
    return number


def _answered(client: Client, values: Mapping[str, str]) -> tuple[str, Due]:
    """What is told of a cart, and what is due then."""
    try:
        found = client.score(cart_of(values), REASONS, keep=False)
    except (ApiError, InputError) as problem:
        return error(problem), dict(values) if isinstance(problem, Away) else DONE
    hindsight = _hindsight(client, values, found["features"])
    reasons = waterfall(found["base"], found["reasons"], found["rest"])
    return f"{answer_line(found)}{hindsight}{reasons}", DONE


def _hindsight(client: Client, values: Mapping[str, str], features: Mapping[str, Any]) -> str:
    """That a score knows what came after its cart, and what was said when the cart came."""
    after = seconds_after(features)
    if not after:
        return ""
    return warning(
        f"The store knows the shop up to {format_duration(round(after))} after this cart, and so "
        f"does this score: it is not what was said when the cart came.{_said(client, values)}"
    )


def _said(client: Client, values: Mapping[str, str]) -> str:
    """What was said first of a cart of late; nothing where the API does not tell."""
    with suppress(ApiError):
        latest_first = client.recent(RECENT)
        said = [one["probability"] for one in latest_first if _texts(one["cart"]) == values]
        return f" Then, it was {said[-1]:.1%}." if said else ""
    return ""


def answer_line(found: Mapping[str, Any]) -> str:
    """Probability, decision and what they rest on."""
    return (
        f'<div class="cw-answer"><b>{found["probability"]:.1%}</b>'
        f"<span>likely to be bought</span>{_advice(found['decision'])}</div>"
        + note(f"model {found['model_version']}; {_rests_on(found['features'])}")
    )


def _advice(decision: Mapping[str, Any]) -> str:
    if not decision["reckoned_price"]:
        return f"<span>{WITHOUT_PRICES}</span>"
    verdict = tag("nudge", "for") if decision["nudge"] else tag("no nudge", "other")
    return f"{verdict}<span>expected value of a nudge {decision['expected_value']:+.2f}</span>"


def _rests_on(features: Mapping[str, Any]) -> str:
    if features["source"] == "request-only":
        return "the store is away: this rests on the cart alone, without any history"
    age = features["age_seconds"]
    if age is None:
        return "the store knows no history yet"
    if seconds_after(features):
        return "the store knows later events, too"
    return f"the latest event it knows was {format_duration(round(age))} before the cart"


def _title(cart: Mapping[str, Any]) -> str:
    what = " ".join(filter(None, (cart["brand"], cart["category_code"]))) or f"{cart['product_id']}"
    return f"{cart['event_time'][11:19]}  {what}, {cart['price']:.2f}, user {cart['user_id']}"


def _texts(cart: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(cart[name]) for name in CART}


def _text(value: object) -> str:
    return "" if value is None else str(value)
