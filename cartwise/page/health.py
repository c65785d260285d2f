"""The tab *Health*: what of the service works."""

from html import escape
from typing import Any, Final

import gradio as gr

from cartwise.errors import ApiError
from cartwise.page.client import Client
from cartwise.page.markup import error, table, tag
from cartwise.page.polling import QUIETLY, Moments

KINDS: Final = {"ready": "for", "degraded": "against", "unready": "against"}


def health_tab(client: Client, moments: Moments) -> None:
    """Build the tab; it looks at these moments."""
    shown = gr.HTML(elem_id="health")
    gr.on(moments, lambda: health(client), outputs=shown, **QUIETLY)


def health(client: Client) -> str:
    """Every part of the service, and whether it does its work."""
    try:
        found = client.status()
    except ApiError as problem:
        return error(problem)
    status = found["status"]
    return f"<p>{tag(status, KINDS[status])}</p>" + table(
        "Parts of the service", ("part", "works", "detail"), [_row(part) for part in found["parts"]]
    )


def _row(part: dict[str, Any]) -> tuple[str, str, str]:
    works = tag("yes", "for") if part["ok"] else tag("no", "against")
    return escape(part["name"]), works, escape(part["detail"])
