"""Compiled functions, cached on disk under a digest of all the source that goes into them.

Numba takes a cached function for current while the file that defines it is unchanged, although
functions and constants of other files are compiled into it. A stale one would give wrong numbers.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import njit


def compiled(**options: bool) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function at its first call, without the interpreter's lock."""

    def decorate(function: Callable[..., Any]) -> Any:
        chosen = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(_cache_folder(chosen))
        try:
            return njit(cache=True, nogil=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = chosen

    return decorate


@cache
def _cache_folder(chosen: str) -> Path:
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        digest.update(source.read_bytes())
    return (Path(chosen) if chosen else here / "__pycache__") / f"numba-{digest.hexdigest()[:16]}"
