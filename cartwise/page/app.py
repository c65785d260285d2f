"""The page: five tabs around a client of the API; importing this does nothing."""

import gradio as gr

from cartwise.page.batch import KEPT_SECONDS, batch_tab
from cartwise.page.client import Client
from cartwise.page.health import health_tab
from cartwise.page.live import live_tab
from cartwise.page.model import model_tab
from cartwise.page.polling import Shown
from cartwise.page.score import score_tab


def create_page(client: Client) -> gr.Blocks:
    """The page, to be launched with the theme and the styles of ``cartwise.page.style``."""
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
        with gr.Tabs() as tabs:
            with gr.Tab("Score a cart"):
                score_tab(client, [page.load])
            with gr.Tab("Live") as tab:
                live_tab(client, Shown(page, tabs, tab))
            with gr.Tab("Batch"):
                batch_tab(client)
            with gr.Tab("Model") as tab:
                model_tab(client, Shown(page, tabs, tab))
            with gr.Tab("Health") as tab:
                health_tab(client, Shown(page, tabs, tab))
    return page
