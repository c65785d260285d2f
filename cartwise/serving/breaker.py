"""A circuit breaker: what keeps failing is left alone for a while, so that nobody waits for it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """After so many failures in a row, nothing is tried for so long; then one call tries."""

    failures: int = 3
    pause_seconds: float = 1.0


class Breaker:
    """Tells whether to try; ``clock`` tells seconds and only goes forward."""

    def __init__(self, patience: Patience, clock: Callable[[], float]) -> None:
        self._patience = patience
        self._clock = clock
        self._failures = 0
        self._resting_until = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether all is well."""
        return self._failures < self._patience.failures

    def may_try(self) -> bool:
        """Whether to try now. While it is open, one call in ``pause_seconds`` may."""
        if self.is_closed:
            return True
        if self._clock() < self._resting_until:
            return False
        self._rest()
        return True

    def succeeded(self) -> None:
        """What was tried worked."""
        self._failures = 0

    def failed(self) -> None:
        """What was tried did not work."""
        self._failures += 1
        if not self.is_closed:
            self._rest()

    def _rest(self) -> None:
        self._resting_until = self._clock() + self._patience.pause_seconds
