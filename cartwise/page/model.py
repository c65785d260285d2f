"""The tab *Model*: what serves, how good it was, and what its policy would earn."""

from html import escape
from typing import Any, Final

import gradio as gr

from cartwise.errors import ApiError
from cartwise.model.few_carts import LEAST_CARTS, small_sample_warning, too_few, untold
from cartwise.model.policy import WITHOUT_PRICES
from cartwise.page.client import Client, Facts
from cartwise.page.curve import value_curve
from cartwise.page.fields import ECONOMICS
from cartwise.page.markup import error, figures, note, table, warning
from cartwise.page.polling import QUIETLY, Moments

_MEASURES: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "ece": "calibration error",
    "base_rate": "bought, of all",
    "carts_test": "test carts",
}


def model_tab(client: Client, moments: Moments) -> None:
    """Build the tab; all but report and card looks at these moments."""
    versions = gr.HTML(elem_id="versions")
    with gr.Accordion("What if a nudge cost, or earned, something else?", open=True):
        with gr.Row():
            margin = gr.Slider(0.01, 1, 0.25, step=0.01, label=ECONOMICS["margin_share"])
            cost = gr.Slider(0, 20, 1, step=0.1, label=ECONOMICS["nudge_cost"])
            anyway = gr.Slider(0, 0.99, 0.8, step=0.01, label=ECONOMICS["bought_anyway_share"])
        earned = gr.HTML(elem_id="what-if")
    with gr.Accordion("Report", open=False) as report_part:
        report = gr.HTML(elem_id="report")
    with gr.Accordion("Model card", open=False) as card_part:
        card = gr.Markdown(elem_id="card")

    def try_out(margin: float, cost: float, anyway: float) -> str:
        return what_if(client, margin, cost, anyway)

    sliders = [margin, cost, anyway]
    gr.on([*moments, *(one.change for one in sliders)], try_out, sliders, earned, **QUIETLY)
    gr.on(moments, lambda: model_facts(client), outputs=versions, **QUIETLY)
    report_part.expand(lambda: report_frame(client), outputs=report, **QUIETLY)
    card_part.expand(lambda: model_card(client), outputs=card, **QUIETLY)


def model_facts(client: Client) -> str:
    """The models that are loaded, how they did on their test part, and what happened to them."""
    try:
        models = client.models()
    except ApiError as problem:
        return error(problem)
    loaded = [(role, models[role]) for role in ("champion", "challenger") if models[role]]
    told = "".join(_one(role, model) for role, model in loaded)
    changes = [
        (
            escape(one["at"][:19]),
            escape(one["role"]),
            escape(one["version"] or ""),
            escape(one["what"]),
        )
        for one in models["history"]
    ]
    return told + table("Changes of models", ("at", "role", "version", "what"), changes)


def _one(role: str, model: Facts) -> str:
    horizon = f"{model['horizon_seconds'] / 3600:g} h"
    return note(
        f"{role}: {model['version']}, {model['features']} features, bought within {horizon}, "
        f"serving since {model['since'][:19]}"
    ) + _quality(model["metrics"])


def _quality(metrics: Facts) -> str:
    if too_few(metrics):
        return warning(small_sample_warning(metrics))
    return figures(
        (title, _shown(metrics[name]))
        for name, title in _MEASURES.items()
        if metrics.get(name) is not None
    )


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def what_if(client: Client, margin: float, cost: float, anyway: float) -> str:
    """What nudging would earn over the carts of late."""
    economics = {"margin_share": margin, "nudge_cost": cost, "bought_anyway_share": anyway}
    try:
        found = client.what_if({name: float(value) for name, value in economics.items()})
    except ApiError as problem:
        return error(problem)
    earnings = found["earnings"]
    known = [("carts of late", f"{found['carts']:,}"), *_threshold(found)]
    if not earnings and not found["reference_price"]:
        return figures(known) + note(WITHOUT_PRICES)
    if found["carts"] < LEAST_CARTS:
        return figures(known) + note(untold(found["carts"], "cart"))
    return figures([*known, *_earned(earnings)]) + _curve(earnings)


def _threshold(found: Facts) -> list[tuple[str, str]]:
    """The threshold at the usual price, where there is one."""
    price = found["reference_price"]
    return [(f"threshold at a price of {price:,.0f}", f"{found['threshold']:.1%}")] if price else []


def _earned(earnings: Facts) -> list[tuple[str, str]]:
    return [
        ("worth a nudge", f"{earnings['best_share']:.1%}"),
        ("bought, of those", f"{earnings['bought_share']:.1%}"),
        ("earned per 1,000 carts by nudging those", f"{earnings['best_value']:,.2f}"),
        ("earned per 1,000 by nudging all", f"{earnings['everyone_value']:,.2f}"),
    ]


def _curve(earnings: Facts) -> str:
    names = ("shares", "value", "best_share", "best_value")
    ends = '<div class="cw-ends"><span>nobody is nudged</span><span>everybody</span></div>'
    return value_curve(*(earnings[name] for name in names)) + ends


def report_frame(client: Client) -> str:
    """The report in a frame of its own, in which nothing executes."""
    try:
        page = client.report()
    except ApiError as problem:
        return error(problem)
    return f'<iframe class="cw-report" title="Report" sandbox="" srcdoc="{escape(page)}"></iframe>'


def model_card(client: Client) -> str:
    """The card of the model that answers, in Markdown."""
    try:
        return client.card()
    except ApiError as problem:
        return str(problem)
