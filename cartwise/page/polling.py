"""When a tab asks the API: when somebody comes to it, and then again by itself."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import gradio as gr

QUIETLY: Final[dict[str, Any]] = {"api_visibility": "private", "show_progress": "hidden"}
"""How events are set up of which nobody need see that they are under way."""

Moments = Sequence[Callable[..., Any]]
"""Events of Gradio, such as a page's load."""


def look_again(moments: Moments, seconds: float) -> Moments:
    """These moments, and one every so many seconds."""
    return [*moments, gr.Timer(seconds).tick]
