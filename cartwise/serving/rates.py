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
        now = self._clock()
        tokens, since = self._tokens.get(key, (self._rate.burst, now))
        tokens = min(self._rate.burst, tokens + (now - since) * self._rate.per_second)
        allowed = tokens >= 1.0
        self._tokens[key] = (tokens - 1.0 if allowed else tokens, now)
        return 0.0 if allowed else (1.0 - tokens) / self._rate.per_second

    def charge(self, key: str, tokens: int) -> None:
        """Take more tokens for what was allowed, on credit where they are not there.

        So what costs more than a bucket holds is done once, and paid for before the next.
        """
        left, since = self._tokens[key]
        self._tokens[key] = (left - tokens, since)
