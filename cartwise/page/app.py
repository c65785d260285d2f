"""The page: five tabs around a client of the API; importing this does nothing."""

from pathlib import Path
from typing import Final

import gradio as gr

from cartwise.page.batch import KEPT_SECONDS, batch_tab
from cartwise.page.client import Client
from cartwise.page.health import health_tab
from cartwise.page.live import live_tab
from cartwise.page.model import model_tab
from cartwise.page.polling import Polling
from cartwise.page.score import score_tab

BEGINS_WITH: Final = "Score a cart"
LOOKS_EVERY: Final = {BEGINS_WITH: 5.0, "Live": 2.0, "Model": 5.0, "Health": 5.0}
"""Seconds between two looks of a tab that is shown."""


def create_page(client: Client, folder: Path) -> gr.Blocks:
    """The page, to be launched with the theme and the styles of ``cartwise.page.style``.

    What visitors fetch lies in ``folder``.
    """
    page = gr.Blocks(
        title="Cartwise",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(KEPT_SECONDS, KEPT_SECONDS),
    )
    with page:
        gr.Markdown(
            "# Cartwise\nHow likely is a product that was just put into a cart to be bought?"
        )
        polling = Polling(page, LOOKS_EVERY, BEGINS_WITH)
        with gr.Tabs():
            with polling.tab(BEGINS_WITH) as tab:
                score_tab(client, polling.moments(tab), polling.timer(tab))
            with polling.tab("Live") as tab:
                live_tab(client, polling.moments(tab))
            with polling.tab("Batch"):
                batch_tab(client, folder / "scored")
            with polling.tab("Model") as tab:
                model_tab(client, polling.moments(tab))
            with polling.tab("Health") as tab:
                health_tab(client, polling.moments(tab))
    return page
