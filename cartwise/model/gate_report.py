"""What the gate found as a page: every check with its figure and its limit."""

from collections.abc import Mapping
from html import escape
from importlib.resources import files

from cartwise.model.gate import Check, Decision
from cartwise.model.report.drawing import theme_css


def render_decision(decision: Decision, facts: Mapping[str, str]) -> str:
    """A self-contained HTML page; ``facts`` stand at its top."""
    css = theme_css(":root") + files("cartwise.model.report").joinpath("page.css").read_text()
    verdict = "may become the champion" if decision.passed else "is refused"
    rows = "".join(_row(check) for check in decision.checks)
    told = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in facts.items())
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>Gate</title>"
        f"<style>{css}</style><main><h1>The challenger {verdict}</h1>"
        f"<div class=scroll><table>{told}</table></div><div class=scroll><table class=told>"
        f"<tr><th>check</th><th></th><th>figure</th><th>limit</th><th>told</th></tr>{rows}"
        "</table></div></main></html>\n"
    )


def _row(check: Check) -> str:
    cells = (
        check.name,
        "passed" if check.passed else "refused",
        figure_text(check.figure),
        figure_text(check.limit),
        check.told,
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def figure_text(figure: float | None) -> str:
    """A figure of whatever size in four digits; nothing where there is none."""
    return "" if figure is None else f"{figure:.4g}"
