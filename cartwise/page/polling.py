"""When a tab asks the API: when somebody comes to it, and then again by itself."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import gradio as gr

QUIETLY: Final[dict[str, Any]] = {"api_visibility": "private", "show_progress": "hidden"}
"""How events are set up of which nobody need see that they are under way."""

Moments = Sequence[Callable[..., Any]]
"""Events of Gradio, such as a page's load."""


class Polling:
    """The tabs of a page, of which only the one that is shown asks again by itself."""

    def __init__(self, page: gr.Blocks, seconds: Mapping[str, float], shown: str) -> None:
        """``seconds`` between two looks, by the label of a tab; to be made before the tabs are.

        ``shown`` is the tab that a page begins with.
        """
        self._page = page
        self._timers = {
            label: gr.Timer(every, active=label == shown) for label, every in seconds.items()
        }

    def tab(self, label: str) -> gr.Tab:
        """A tab whose timer, if it has one, runs while it is shown, and no other one does.

        The browser sees to that, and before all else that a tab's choice leads to: Gradio passes
        over an event while the answer to the one before is awaited, so whoever is fast would come
        to a tab that stands still.
        """
        tab = gr.Tab(label)
        active = [{"__type__": "update", "active": label == owner} for owner in self._timers]
        timers = list(self._timers.values())
        tab.select(None, None, timers, js=f"() => {json.dumps(active)}", **QUIETLY)
        return tab

    def moments(self, tab: gr.Tab) -> Moments:
        """When the page is loaded, when somebody comes to the tab, and again while it is shown."""
        return [self._page.load, tab.select, self.timer(tab).tick]

    def timer(self, tab: gr.Tab) -> gr.Timer:
        """A tab's timer, for a tab that has nothing more to ask until somebody comes to it."""
        return self._timers[str(tab.label)]
