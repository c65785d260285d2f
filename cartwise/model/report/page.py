"""The report: one HTML file with everything in it, no scripts, no network, light and dark."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

from cartwise.counting import counted
from cartwise.duration import format_duration
from cartwise.model.card import policy_sentence
from cartwise.model.few_carts import can_be_told, small_sample_warning, too_few, untold
from cartwise.model.manifest import Manifest
from cartwise.model.policy import WITHOUT_PRICES
from cartwise.model.report.drawing import theme_css
from cartwise.model.report.plots import PLOTS, Evidence
from cartwise.model.slices import Slice
from cartwise.model.summary import estimate_text, sentences, with_interval
from cartwise.parts import LEFT_OUT

_MONEY: Final = "What a decision is worth"
_SECTIONS: Final[Mapping[str, Sequence[str]]] = {
    "How well it ranks": ("roc", "rivals", "gain", "precision-recall"),
    "Whether a probability can be taken at its word": ("reliability", "probabilities"),
    _MONEY: ("value", "what-if"),
    "Where it is good, and what it looks at": ("slices", "contributions"),
    "The data": ("days",),
}


def render_report(evidence: Evidence, plots: Mapping[str, str]) -> str:
    """The whole page, the same bytes for the same evidence."""
    style = theme_css(":root") + files("cartwise.model.report").joinpath("page.css").read_text()
    bodies = {title: _figures(evidence, names, plots) for title, names in _SECTIONS.items()}
    bodies["The data"] += _data_card(evidence.manifest)
    if evidence.policy.priced:
        bodies[_MONEY] += _policy_card(evidence)
    else:
        bodies[_MONEY] = f"<p>{WITHOUT_PRICES}</p>"
    sections = [f"<h2>{title}</h2><div class=plots>{body}</div>" for title, body in bodies.items()]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Cartwise model report</title><style>{style}</style></head><body><main>"
        f"{_head(evidence)}{''.join(sections)}{_tables(evidence)}{_foot(evidence)}"
        "</main></body></html>\n"
    )


def _figures(evidence: Evidence, names: Sequence[str], plots: Mapping[str, str]) -> str:
    shown = [(PLOTS[name], plots[name]) for name in names if name in plots]
    if not shown:
        return f"<p>{_nothing_to_show(evidence.metrics)}</p>"
    return "".join(
        f"<figure><h3>{plot.title}</h3><figcaption>{plot.caption}</figcaption>"
        f"{_named(svg, plot.title)}</figure>"
        for plot, svg in shown
    )


def _nothing_to_show(metrics: Mapping[str, Any]) -> str:
    if too_few(metrics):
        return untold(metrics["carts_test"], "test cart")
    return "All test carts ended the same way: there is nothing to show."


def _named(svg: str, title: str) -> str:
    """An SVG element that a screen reader calls by its title."""
    return svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)


def _head(evidence: Evidence) -> str:
    manifest, metrics = evidence.manifest, evidence.metrics
    warning = small_sample_warning(metrics)
    told = [sentence for sentence in sentences(metrics) if sentence != warning]
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in told)
    banner = f"<p class=warning>{escape(warning)}</p>" if warning else ""
    return (
        "<p class=eyebrow>Cartwise model report</p><h1>Will a carted product be bought?</h1>"
        f"<p class=lead>Within {format_duration(manifest.horizon_seconds)} of the cart, by the "
        f"same user. Measured on {counted(metrics['carts_test'], 'cart')} "
        f"(of {counted(metrics['users_test'], 'user')}), all later than those that the model "
        f"learned from.</p>{banner}"
        f"<div class=tiles>{_tiles(metrics)}</div><div class=card><ul>{items}</ul></div>"
    )


def _tiles(metrics: Mapping[str, Any]) -> str:
    names = {
        "auc": ("AUC", 3),
        "ece": ("calibration error", 4),
        "lift_10": ("lift in the first tenth", 2),
        "base_rate": ("share bought", 3),
        "log_loss": ("log loss", 4),
    }
    return "".join(
        _tile(title, metrics, name, digits)
        for name, (title, digits) in names.items()
        if can_be_told(metrics, name)
    )


def _tile(title: str, metrics: Mapping[str, Any], name: str, digits: int) -> str:
    value, _, interval = with_interval(metrics, name, digits).partition(" (")
    if metrics[name] is None:
        value, interval = "–", "cannot be told)"  # noqa: RUF001 - a dash for no value
    return f"<div class=tile><span>{title}</span><b>{value}</b><span>{interval[:-1]}</span></div>"


def _policy_card(evidence: Evidence) -> str:
    table = "" if too_few(evidence.metrics) else _worth(evidence.metrics)
    return (
        f"<div class=card><h3>The policy</h3><p>{escape(policy_sentence(evidence.policy))}</p>"
        f"{table}</div>"
    )


def _worth(metrics: Mapping[str, Any]) -> str:
    worth = [
        (title, with_interval(metrics, name, 0))
        for title, name in (
            ("nudge by the policy", "expected_value"),
            ("nudge everybody", "expected_value_everyone"),
        )
    ]
    return _table(("per 1,000 carts", "worth (95 % interval)"), [*worth, ("nudge nobody", "0")])


def _data_card(manifest: Manifest) -> str:
    parts = [
        (name, f"{part.carts:,}", f"{part.positives:,}", part.first_cart[:10], part.last_cart[:10])
        for name, part in manifest.parts.items()
    ]
    left_out = [(why, f"{manifest.counts[fate]:,}") for fate, why in LEFT_OUT.items()]
    return (
        "<div class=card><h3>Parts</h3>"
        + _table(("part", "carts", "bought", "first cart", "last cart"), parts)
        + f"<h3>In no part, of {counted(manifest.counts['carts'], 'cart')} in the log</h3>"
        + _table(("why", "carts"), left_out)
        + f"{_suspect_spans(manifest)}</div>"
    )


def _suspect_spans(manifest: Manifest) -> str:
    told = "".join(
        f"<li>{_minute(span.start)} to {_minute(span.end)}: "
        f"{escape(span.kind.replace('_', ' '))} ({escape(span.reason)})</li>"
        for span in manifest.censored_spans
    )
    return f"<h3>Suspect spans</h3><ul>{told}</ul>" if told else ""


def _minute(time: str) -> str:
    """An ISO time as people write it, to the minute."""
    return time[:16].replace("T", " ")


def _tables(evidence: Evidence) -> str:
    metrics = [
        (name, estimate_text(estimate, 4))
        for name, estimate in evidence.findings.estimates.items()
        if can_be_told(evidence.metrics, name)
    ]
    slices = [_slice_row(one) for one in evidence.findings.slices]
    heads = ("slice", "carts", "AUC", "bought", "predicted")
    return (
        "<h2>All figures</h2>"
        "<details><summary>Metrics with 95 % intervals</summary>"
        f"{_table(('metric', 'value'), metrics)}</details>"
        f"<details><summary>Slices</summary>{_table(heads, slices)}</details>"
    )


def _slice_row(one: Slice) -> tuple[str, ...]:
    name = f"{one.dimension}: {one.name.split(': ', 1)[-1]}"
    told = (estimate_text(one.auc), estimate_text(one.bought))
    return (name, f"{one.carts:,}", *told, f"{one.predicted:.3f}")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _foot(evidence: Evidence) -> str:
    metrics, manifest = evidence.metrics, evidence.manifest
    return (
        f"<footer><p>Model {metrics['model_version']}: {metrics['rounds']} trees on "
        f"{len(manifest.feature_names)} features, calibration by {metrics['calibration_method']}. "
        f"Events from {_minute(manifest.first_event)} to {_minute(manifest.last_event)}; data "
        f"<code>{escape(manifest.data_version)}</code>, specification "
        f"<code>{escape(manifest.fingerprint)}</code>. Intervals by the bootstrap over users.</p>"
        "</footer>"
    )
