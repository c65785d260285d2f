"""The standard output and error, of which somebody may have closed one, or which may be full."""

import os
import sys
from typing import TextIO


def open_closed() -> None:
    """Let what is written to an output that was closed (``>&-``) go nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # It takes the number that is free, which else the next file would get.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def write(output: TextIO, text: str) -> bool:
    """Whether an output takes a text; if not, all that it still holds is dropped."""
    try:
        output.write(text)
        output.flush()
    except OSError:
        # What was not written would fail again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        return False
    return True
