import asyncio
from collections.abc import Sequence

from cartwise.errors import StoreUnavailable
from cartwise.serving.breaker import Breaker, Patience
from cartwise.serving.metrics import Metrics
from cartwise.serving.store_reader import StoreReader


class Echo:
    """A store in which every key is its own state, and that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []
        self.go_on = asyncio.Event()
        self.away = False

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.asked.append(list(keys))
        await self.go_on.wait()
        if self.away:
            raise StoreUnavailable("away")
        return list(keys)

    async def check(self) -> None:
        pass


def reader_of(store: Echo, timeout_seconds: float = 10.0) -> StoreReader:
    return StoreReader(store, Breaker(Patience(3, 60.0), lambda: 0.0), Metrics(), timeout_seconds)


def test_requests_that_come_during_a_read_share_the_next_one() -> None:
    async def run() -> None:
        store = Echo()
        reader = reader_of(store)
        reads = [asyncio.create_task(reader.read([b"%d" % i, b"x"])) for i in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        reads += [asyncio.create_task(reader.read([b"%d" % i])) for i in range(3, 9)]
        await asyncio.sleep(0)
        store.go_on.set()
        found = await asyncio.gather(*reads)
        assert found == [[b"%d" % i, b"x"] for i in range(3)] + [[b"%d" % i] for i in range(3, 9)]
        assert len(store.asked) <= 3

    asyncio.run(run())


def test_one_that_gave_up_does_not_keep_others_from_their_answers() -> None:
    async def run() -> None:
        store = Echo()
        reader = reader_of(store)
        gone, there = (asyncio.create_task(reader.read([key])) for key in (b"a", b"b"))
        await asyncio.sleep(0)
        gone.cancel()
        store.go_on.set()
        assert await there == [b"b"]

    asyncio.run(run())


def test_a_store_that_is_too_slow_counts_as_away() -> None:
    async def run() -> None:
        store = Echo()
        reader = reader_of(store, timeout_seconds=0.01)
        assert await reader.read([b"a"]) is None
        assert reader.trouble == "no answer within 0.01 s"
        store.go_on.set()
        assert await reader.read([b"a"]) == [b"a"]
        assert reader.trouble is None

    asyncio.run(run())


def test_a_store_that_breaks_in_a_new_way_counts_as_away_and_leaves_nobody_waiting() -> None:
    class Broken(Echo):
        async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
            raise ZeroDivisionError

    async def run() -> None:
        reader = reader_of(Broken())
        async with asyncio.timeout(10):
            reads = [asyncio.create_task(reader.read([key])) for key in (b"a", b"b")]
            assert await asyncio.gather(*reads) == [None, None]
        assert reader.trouble == "ZeroDivisionError"

    asyncio.run(run())


def test_while_the_breaker_is_open_nobody_waits_for_the_store() -> None:
    async def run() -> None:
        store = Echo()
        store.away = True
        store.go_on.set()
        reader = reader_of(store)
        for _ in range(10):
            assert await reader.read([b"a"]) is None
        assert len(store.asked) == 3

    asyncio.run(run())
