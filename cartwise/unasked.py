"""Doing without what other libraries would load for the case that somebody asks them for it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unasked(library: str) -> Iterator[None]:
    """For a while, a library that is not loaded yet seems not to be installed."""
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]
