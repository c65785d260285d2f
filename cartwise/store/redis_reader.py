"""Reading states from Redis without waiting: one connection, any number of questions on their way.

Redis answers in the order of the questions, so a connection needs no pool and no lock, and what is
asked in the same turn of the event loop leaves in one packet. A read costs a third of what the
general client takes for it, on the path that every request to the API goes.
"""

import asyncio
import builtins
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Self, cast

import hiredis
from redis.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 - Redis's own

from cartwise.features.spec import Specification
from cartwise.store.head import Head
from cartwise.store.redis_errors import memory_facts, require_no_eviction, store_error, translated
from cartwise.store.redis_keys import HEAD, PREFIX

TIMEOUT_SECONDS: Final = 2.0

Command = tuple[bytes | str | int, ...]
Connect = Callable[[], Coroutine[Any, Any, "Pipe"]]


class Pipe(asyncio.Protocol):
    """A connection. It is given up when an answer is overdue, and with it all that was asked."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._replies = hiredis.Reader()
        self._asked: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._outgoing: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether something can be asked."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, command: Command) -> asyncio.Future[Any]:
        """Send a command; its reply comes in its turn."""
        reply: asyncio.Future[Any] = self._loop.create_future()
        if not self.is_open:
            reply.set_exception(store_error(ConnectionError("the connection was closed")))
            return reply
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append(hiredis.pack_command(command))
        self._asked.append((self._loop.time() + self._timeout_seconds, reply))
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout_seconds, self._look)
        return reply

    def close(self) -> None:
        """Give the connection up."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._replies.feed(data)
        while (reply := self._replies.gets()) is not False:
            future = self._asked.popleft()[1]
            if future.done():
                continue  # whoever asked has gone
            if isinstance(reply, hiredis.ReplyError):
                future.set_exception(store_error(reply))
            else:
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._fail(ConnectionError(str(exc or "the connection was closed")))

    def _send(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _look(self) -> None:
        """See whether the oldest answer is overdue."""
        self._watch = None
        if not self._asked:
            return
        due = self._asked[0][0]
        if due <= self._loop.time():
            self._fail(TimeoutError(f"no answer within {self._timeout_seconds:g} s"))
            self.close()
        else:
            self._watch = self._loop.call_at(due, self._look)

    def _fail(self, error: Exception) -> None:
        while self._asked:
            future = self._asked.popleft()[1]
            if not future.done():
                future.set_exception(store_error(error))


class AsyncRedisStore:
    """The reading half of a Redis store; connects at the first use, and again after a failure."""

    def __init__(self, connect: Connect, specification: Specification) -> None:
        self._connect = connect
        self._expected = Head(specification.fingerprint)
        self._pipe: Pipe | None = None
        self._connecting = asyncio.Lock()

    @classmethod
    def at(cls, url: str, specification: Specification) -> Self:
        """A store at ``redis://``, ``rediss://`` (TLS) or ``unix://``."""
        address = parse_url(url)
        return cls(lambda: _connected(address, TIMEOUT_SECONDS), specification)

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        pipe = self._pipe
        if pipe is None or not pipe.is_open:
            pipe = await self._opened()
        reply: list[bytes | None] = await pipe.ask((b"MGET", HEAD, *map(PREFIX.__add__, keys)))
        self._expected.require(reply[0])
        return reply[1:]

    async def check(self) -> None:
        pipe = await self._opened()
        require_no_eviction(memory_facts(await pipe.ask(("INFO", "memory"))))
        self._expected.require(await pipe.ask(("GET", HEAD)))

    async def close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()

    async def _opened(self) -> Pipe:
        async with self._connecting:
            if self._pipe is None or not self._pipe.is_open:
                self._pipe = await self._connect()
            return self._pipe


async def _connected(address: Mapping[str, Any], timeout_seconds: float) -> Pipe:
    with translated():
        try:
            async with asyncio.timeout(timeout_seconds):
                pipe = await _open(address, timeout_seconds)
        except builtins.TimeoutError as error:
            raise TimeoutError(f"no connection within {timeout_seconds:g} s") from error
        except OSError as error:
            raise ConnectionError(str(error)) from error
    return pipe


async def _open(address: Mapping[str, Any], timeout_seconds: float) -> Pipe:
    loop = asyncio.get_running_loop()
    if "path" in address:
        _, pipe = await loop.create_unix_connection(lambda: Pipe(timeout_seconds), address["path"])
    else:
        where = (address.get("host", "localhost"), address.get("port", 6379))
        _, pipe = await loop.create_connection(
            lambda: Pipe(timeout_seconds), *where, ssl=_tls(address)
        )
    try:
        await _introduce(pipe, address)
    except BaseException:
        pipe.close()
        raise
    return pipe


async def _introduce(pipe: Pipe, address: Mapping[str, Any]) -> None:
    if "password" in address:
        name = (address["username"],) if address.get("username") else ()
        await pipe.ask(("AUTH", *name, address["password"]))
    if address.get("db"):
        await pipe.ask(("SELECT", address["db"]))


def _tls(address: Mapping[str, Any]) -> ssl.SSLContext | None:
    if address.get("connection_class") is not SSLConnection:
        return None
    context = ssl.create_default_context(cafile=address.get("ssl_ca_certs"))
    if address.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "ssl_certfile" in address:
        context.load_cert_chain(address["ssl_certfile"], address.get("ssl_keyfile"))
    return context
