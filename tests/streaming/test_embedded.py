"""The worker inside a server: what is answered counts, and nobody waits for ever."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartwise.errors import OutputError, StoreUnavailable, StreamError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store.memory import MemoryStore
from cartwise.store.protocol import Merge
from cartwise.streaming import embedded
from cartwise.streaming.embedded import AwaitedQueue, embedded_worker
from cartwise.streaming.local import FileOutlet
from tests.streaming.worlds import drain, require_states, shop, view, worker


@contextmanager
def server(store: MemoryStore, folder: Path, name: str = "api") -> Iterator[AwaitedQueue]:
    outlet = FileOutlet(folder)
    with embedded_worker(name, store, SPECIFICATION, outlet, 3600) as queue:
        yield queue


def applied(store: MemoryStore) -> int:
    return sum(position.applied for position in store.positions().values())


def test_two_servers_on_one_store_lose_nothing_that_they_answered(tmp_path: Path) -> None:
    events, store = shop(200), MemoryStore(SPECIFICATION)

    async def send_all(*queues: AwaitedQueue) -> None:
        await asyncio.gather(*(queues[i % 2].send([event]) for i, event in enumerate(events)))

    with server(store, tmp_path, "api-a") as one, server(store, tmp_path, "api-b") as other:
        asyncio.run(send_all(one, other))
    require_states(store, events)
    assert applied(store) == 200


def test_events_are_answered_after_the_store_was_loaded_anew(tmp_path: Path) -> None:
    events, store = shop(60), MemoryStore(SPECIFICATION)
    with server(store, tmp_path) as queue:
        asyncio.run(queue.send(events[:50]))
        store.load([], {})
        asyncio.run(queue.send(events[50:]))
    require_states(store, events[50:])


class Away(MemoryStore):
    """A store that is away until it is told to be back."""

    away = True

    def merge(self, merge: Merge) -> None:
        if self.away:
            raise StoreUnavailable("away")
        super().merge(merge)


def test_a_queue_that_is_full_refuses_and_is_emptied_once_the_store_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded, "MERGE_SECONDS", 0.01)
    events, store, queue = shop(30), MemoryStore(SPECIFICATION), AwaitedQueue("api", capacity=20)
    with pytest.raises(StreamError, match="they wait"):
        asyncio.run(queue.send(events[:20]))
    with pytest.raises(StreamError, match="send these again later"):
        asyncio.run(queue.send(events[20:]))
    assert queue.trouble
    drain(worker(queue, store))
    require_states(store, events[:20])


def test_events_that_waited_for_a_store_count_once_it_is_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(embedded, "MERGE_SECONDS", 0.2)
    events, store = shop(30), Away(SPECIFICATION)
    with server(store, tmp_path) as queue:
        with pytest.raises(StreamError, match="they wait"):
            asyncio.run(queue.send(events[:20]))
        store.away = False
        monkeypatch.setattr(embedded, "MERGE_SECONDS", 10.0)
        asyncio.run(queue.send(events[20:]))
        assert queue.trouble is None
    require_states(store, events)


def test_events_are_refused_at_once_where_the_worker_has_ended(tmp_path: Path) -> None:
    class Broken(MemoryStore):
        def merge(self, _merge: Merge) -> None:
            raise OutputError("no space")

    with server(Broken(SPECIFICATION), tmp_path) as queue:
        for _ in range(2):
            with pytest.raises(StreamError, match="not taken any more: no space"):
                asyncio.run(queue.send([view(0)]))
