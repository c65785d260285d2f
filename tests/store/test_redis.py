"""What a Redis store does in a server's bad times."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from cartwise.errors import StoreError, StoreIncomplete, StoreTimeout, StoreUnavailable
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.packed import KEY_BYTES
from cartwise.store import Position, Resumption, Store, open_async_store
from cartwise.store.protocol import SLACK_SECONDS
from cartwise.store.redis_reader import Pipe
from deploy.services.redis import Redis
from tests.features.live_events import LIVE
from tests.store.batches import EVENTS, SOURCE, add, batch, deltas, require_same, states_of
from tests.store.places import opened
from tests.store.servers import client_of, redis_server

pytestmark = pytest.mark.integration

STORE_GUIDE = Path(__file__).parents[2] / "docs/store.md"


@pytest.fixture
def server(shared_redis: Redis) -> Redis:
    with client_of(shared_redis) as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def store(server: Redis) -> Iterator[Store]:
    with opened(server.url) as store:
        yield store


def read_once(url: str) -> list[bytes | None]:
    async def read() -> list[bytes | None]:
        reader = open_async_store(url, SPECIFICATION)
        try:
            await reader.check()
            return await reader.read(LIVE.keys(EVENTS[0]))
        finally:
            await reader.close()

    return asyncio.run(read())


def test_functions_come_back_to_a_server_that_lost_them(server: Redis, store: Store) -> None:
    add(store, EVENTS[:5])
    with client_of(server) as client:
        client.function_flush()
    add(store, EVENTS[5:9])
    require_same(states_of(store), deltas(EVENTS[:9]))


def test_a_killed_server_comes_back_with_states_and_offsets(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server, opened(server.url) as store:
        store.merge(batch(EVENTS[:30]))
        server.kill()
        with pytest.raises(StoreUnavailable):
            store.merge(batch(EVENTS[30:60], 30))
        server.start()
        store.merge(batch(EVENTS[30:60], 30))
        assert store.positions()[SOURCE].offset == 60
        require_same(states_of(store), deltas(EVENTS[:60]))


def test_a_reader_goes_on_when_the_server_is_back(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        with opened(server.url) as store:
            add(store, EVENTS)

        async def read_through_a_crash() -> None:
            reader = open_async_store(server.url, SPECIFICATION)
            keys = LIVE.keys(EVENTS[0])
            before = await reader.read(keys)
            server.kill()
            with pytest.raises(StoreUnavailable):
                await reader.read(keys)
            server.start()
            assert await reader.read(keys) == before
            await reader.close()

        asyncio.run(read_through_a_crash())


def test_a_server_that_hangs_is_given_up(server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cartwise.store.redis_reader.TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr("cartwise.store.redis.TIMEOUT_SECONDS", 0.2)

    with client_of(server) as client:
        pid = client.info("server")["process_id"]

    async def read_from_a_hanging_server() -> None:
        reader = open_async_store(server.url, SPECIFICATION)
        await reader.read([])
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(2):  # the second time, no connection can be had either
                with pytest.raises(StoreTimeout):
                    await reader.read([])
            with opened(server.url) as store, pytest.raises(StoreTimeout):
                store.read([])
        finally:
            os.kill(pid, signal.SIGCONT)
        await reader.read([])
        await reader.close()

    asyncio.run(read_from_a_hanging_server())


def test_an_answer_that_nobody_waits_for_is_not_taken_for_another(
    server: Redis, store: Store
) -> None:
    add(store, EVENTS)
    keys = [LIVE.keys(event) for event in EVENTS]

    async def read_impatiently() -> None:
        reader = open_async_store(server.url, SPECIFICATION)
        await reader.read([])
        given_up = [asyncio.ensure_future(reader.read(some)) for some in keys[:5]]
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        assert await reader.read(keys[-1]) == store.read(keys[-1])
        await reader.close()

    asyncio.run(read_impatiently())


def test_a_question_after_the_connection_was_lost_is_answered() -> None:
    async def answer_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+PONG\r\n")
        writer.close()

    async def ask_twice() -> None:
        loop = asyncio.get_running_loop()
        async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
            _, pipe = await loop.create_connection(lambda: Pipe(0.5), *address)
            assert await pipe.ask(("PING",)) == b"PONG"
            while pipe.is_open:
                await asyncio.sleep(0.01)
            with pytest.raises(StoreUnavailable):
                await pipe.ask(("PING",))

    asyncio.run(asyncio.wait_for(ask_twice(), 20))


def test_a_server_that_is_emptied_during_a_load_is_told(server: Redis, store: Store) -> None:
    def emptied_meanwhile():
        with client_of(server) as client:
            client.flushall()
        yield list(deltas(EVENTS).items())

    with pytest.raises(StoreIncomplete, match="given up"):
        store.load(emptied_meanwhile(), {})


def test_nobody_there_is_unavailable() -> None:
    url = "redis://127.0.0.1:1/0"
    with opened(url) as store, pytest.raises(StoreUnavailable):
        store.merge(batch(EVENTS[:1]))
    with pytest.raises(StoreUnavailable):
        read_once(url)


def test_a_password_opens_and_a_wrong_one_is_told(server: Redis) -> None:
    where = urlsplit(server.url)
    right, wrong, none = (
        where._replace(netloc=f"{user}127.0.0.1:{where.port}", path="/3").geturl()
        for user in (f":{where.password}@", ":x@", "")
    )
    with opened(right) as store:
        add(store, EVENTS[:1])
    assert None not in read_once(right)
    assert set(read_once(server.url)) == {None}  # another database
    for url in (wrong, none):
        with opened(url) as store, pytest.raises(StoreError, match="URL"):
            store.check()
        with pytest.raises(StoreError, match="URL"):
            read_once(url)


def test_an_account_with_the_rights_that_the_documentation_names_is_enough(server: Redis) -> None:
    [rule] = re.findall(r"ACL SETUSER cartwise on >PASSWORD ([^`]+)", STORE_GUIDE.read_text())
    with client_of(server) as client:
        client.function_flush()
        client.execute_command("ACL", "SETUSER", "cartwise", "on", ">word", *rule.split())
        url = f"redis://cartwise:word@{urlsplit(server.url).netloc.rpartition('@')[2]}/0"
        try:
            with opened(url) as store:
                store.check()
                store.load([list(deltas(EVENTS[:60]).items())], {SOURCE: Resumption(Position(60))})
                store.merge(batch(EVENTS[60:], 60))
                require_same(states_of(store), deltas(EVENTS))
                assert store.resume(SOURCE).position == store.positions()[SOURCE]
            assert None not in read_once(url)
            with (
                redis.Redis.from_url(url) as own,
                pytest.raises(redis.exceptions.NoPermissionError),
            ):
                own.set("of-somebody-else", "1")
        finally:
            client.acl_deluser("cartwise")


def test_a_server_that_evicts_states_is_refused(server: Redis, store: Store) -> None:
    with client_of(server) as client:
        client.config_set("maxmemory", "1gb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.function_flush()
        try:
            for use in (store.check, lambda: add(store, EVENTS[:1]), lambda: read_once(server.url)):
                with pytest.raises(StoreError, match="noeviction"):
                    use()
        finally:
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")


def test_a_full_server_refuses_a_batch_as_a_whole(server: Redis, store: Store) -> None:
    store.merge(batch(EVENTS[:5]))
    before = states_of(store)
    with client_of(server) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                store.merge(batch(EVENTS[5:], 5))
        finally:
            client.config_set("maxmemory", 0)
    assert states_of(store) == before
    assert store.positions()[SOURCE].offset == 5


def test_states_expire_by_the_clock_some_time_after_they_could_be_seen(
    server: Redis, store: Store
) -> None:
    add(store, EVENTS)  # of years ago: what is replayed must not vanish at once
    with client_of(server) as client:
        for key in deltas(EVENTS):
            kept = SPECIFICATION.entities[key[0]].time_to_live_seconds + SLACK_SECONDS
            assert 0 <= kept - client.ttl(b"cw:" + key) < 60
        assert client.ttl("cartwise:positions") < 0
        assert client.ttl("cartwise:head") < 0


def test_keys_of_others_in_the_database_are_left_alone(server: Redis, store: Store) -> None:
    with client_of(server) as client:
        client.set("theirs", "theirs")
        store.load([list(deltas(EVENTS).items())], {})
        assert client.get("theirs") == b"theirs"
    assert {len(key) for key in states_of(store)} == {KEY_BYTES}


def test_a_state_that_somebody_damaged_stops_the_batch(server: Redis, store: Store) -> None:
    store.merge(batch(EVENTS[:5]))
    with client_of(server) as client:
        client.set(b"cw:" + LIVE.keys(EVENTS[0])[-1], "rubbish")
    before = states_of(store)
    with pytest.raises(StoreError):
        store.merge(batch(EVENTS[:9], 5))
    assert states_of(store) == before
    assert store.positions()[SOURCE].offset == 5
