"""How often a key may ask: a bucket of tokens each, that fills at a steady rate."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """Tokens per second in the long run, and how many may be taken at once.

    A request costs a token, and each cart of a batch does.
    """

    per_second: float
    burst: int


class Buckets:
    """A bucket per key; ``clock`` tells seconds and only goes forward."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens: dict[str, tuple[float, float]] = {}

    def wait_seconds(self, key: str) -> float:
        """Take a token and return 0; where there is none, the seconds until there is one."""
        tokens, now = self._filled(key)
        allowed = tokens >= 1.0
        self._tokens[key] = (tokens - 1.0 if allowed else tokens, now)
        return 0.0 if allowed else (1.0 - tokens) / self._rate.per_second

    def charge(self, key: str, tokens: int) -> float:
        """Take more tokens for what was allowed, on credit where they are not there, and return 0;
        where there is a debt already, the seconds until there is a token.

        So what costs more than a bucket holds is done once, and paid for before the next, also
        where both were allowed at the same time.
        """
        left, now = self._filled(key)
        if tokens and left < 0.0:
            return (1.0 - left) / self._rate.per_second
        self._tokens[key] = (left - tokens, now)
        return 0.0

    def _filled(self, key: str) -> tuple[float, float]:
        """The tokens that a key has by now, and the time that it is."""
        now = self._clock()
        tokens, since = self._tokens.get(key, (self._rate.burst, now))
        return min(self._rate.burst, tokens + (now - since) * self._rate.per_second), now
