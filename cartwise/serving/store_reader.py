"""Reading states: in one round trip, in time, and not at all from a store that is away."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol, TypeVar

from cartwise.serving.breaker import Breaker
from cartwise.serving.metrics import Metrics

States = list[bytes | None]
Result = TypeVar("Result")

TIMEOUT_SECONDS: Final = 0.25
MOST_TOGETHER: Final = 64
"""Requests that share one round trip at most."""

_Waiting = tuple[Sequence[bytes], asyncio.Future[States | None]]


class Reads(Protocol):
    """What is needed of a store."""

    async def read(self, keys: Sequence[bytes]) -> States:
        """The packed state of each key, None where there is none."""
        ...

    async def check(self) -> None:
        """Raise what would keep the store from being used."""
        ...


class StoreReader:
    """A store behind a time-out and a circuit breaker.

    One read is under way at a time; requests that come meanwhile share the next one. So a busy
    server asks the store less often, and a slow store is not asked for more and more.
    """

    def __init__(
        self,
        store: Reads,
        breaker: Breaker,
        metrics: Metrics,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._store = store
        self._breaker = breaker
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds
        self._waiting: list[_Waiting] = []
        self._reading: asyncio.Task[None] | None = None
        self.trouble: str | None = None

    async def read(self, keys: Sequence[bytes]) -> States | None:
        """The state of each key; None where the store is away."""
        answer: asyncio.Future[States | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, answer))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await answer

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                together = self._waiting[:MOST_TOGETHER]
                del self._waiting[:MOST_TOGETHER]
                states = await self._read([key for keys, _ in together for key in keys])
                _deal_out(states, together)
        finally:
            self._reading = None

    async def _read(self, keys: Sequence[bytes]) -> States | None:
        if not self._breaker.may_try():
            return None
        start = time.perf_counter()
        states = await self._tried(self._store.read(keys))
        if states is not None:
            self._metrics.store_seconds.observe(time.perf_counter() - start)
        return states

    async def probe(self) -> None:
        """Find out whether the store is there, also when nobody asks for scores."""
        if self._breaker.may_try():
            await self._tried(self._store.check())

    async def _tried(self, call: Awaitable[Result]) -> Result | None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                result = await call
        except TimeoutError as error:
            self._failed(str(error) or f"no answer within {self._timeout_seconds} s")
            return None
        # Also what nobody expected: those who share the read would wait for ever.
        except Exception as error:
            self._failed(str(error) or type(error).__name__)
            return None
        self._breaker.succeeded()
        self.trouble = None
        return result

    def _failed(self, why: str) -> None:
        self._breaker.failed()
        self._metrics.store_failures.inc()
        self.trouble = why


def _deal_out(states: States | None, together: Sequence[_Waiting]) -> None:
    """Give each request the states of its own keys; some may not wait any more."""
    start = 0
    for keys, answer in together:
        end = start + len(keys)
        if not answer.done():
            answer.set_result(None if states is None else states[start:end])
        start = end
