"""When a tab asks the API: when somebody comes to it, and then again by itself."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import gradio as gr

QUIETLY: Final[dict[str, Any]] = {"api_visibility": "private", "show_progress": "hidden"}
"""How events are set up of which nobody need see that they are under way."""

Moments = Sequence[Callable[..., Any]]
"""Events of Gradio, such as a page's load."""


class Shown(NamedTuple):
    """A tab among the others of a page."""

    page: gr.Blocks
    tabs: gr.Tabs
    tab: gr.Tab


def look_again(shown: Shown, seconds: float) -> Moments:
    """When the page is loaded, when somebody comes to the tab, and again while it is shown."""
    timer = gr.Timer(seconds, active=False)

    def run_or_stop(chosen: gr.SelectData) -> gr.Timer:
        return gr.Timer(active=chosen.value == shown.tab.label)

    shown.tabs.select(run_or_stop, outputs=timer, **QUIETLY)
    return [shown.page.load, shown.tab.select, timer.tick]
