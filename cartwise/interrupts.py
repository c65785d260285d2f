"""Ctrl-C and SIGTERM, where they would come at a bad moment."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals to end wait for the end of the block.

    For foreign code that calls back into Python: an exception that a signal raises there passes
    through it, and leaves its memory in pieces.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if came:
        signal.raise_signal(came[0])


def leave(code: int) -> NoReturn:
    """End this process without waiting for its threads, which may hang: all that matters is done.

    Libraries have pools whose threads the interpreter would wait for.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
