"""Waiting longer after each failure, with some chance in it, so that not all try at once."""

import random
from collections.abc import Callable
from typing import Final

_FIRST_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 5.0


class Backoff:
    """When to try again; ``monotonic`` is a clock that only goes forward, in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._failed = 0.0
        self._wait_seconds = 0.0

    @property
    def waits(self) -> bool:
        """Whether it is too early to try."""
        return self._failures > 0 and self._monotonic() < self._failed + self._wait_seconds

    def fail(self, *, at_once: bool = False) -> bool:
        """Note a failure, to be tried again later or ``at_once``; whether it is the first."""
        self._failures += 1
        longest = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(self._failures, 30))
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - nobody is to be kept from guessing it
        self._wait_seconds = 0.0 if at_once else longest * jitter
        self._failed = self._monotonic()
        return self._failures == 1

    def succeed(self, *, proven: bool) -> bool:
        """Note that something worked; whether the trouble, if there was any, is over by that.

        What was not ``proven`` by doing the very thing that failed has to last a while.
        """
        if self._failures == 0 or not (proven or self._lasts()):
            return False
        self._failures = 0
        return True

    def _lasts(self) -> bool:
        return self._monotonic() - self._failed > self._wait_seconds + _QUIET_SECONDS
