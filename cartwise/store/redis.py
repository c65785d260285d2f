"""A store in Redis 7 or later: for many workers and servers.

All that changes states is one server-side function (``functions.lua``), so it happens as a whole
and nothing comes between. States are the keys ``cw:…``, all else is ``cartwise:…``; the database
may hold other keys, too. One server, or one with replicas: a Redis Cluster would tear a merge
apart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final, Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from cartwise.errors import DamagedState
from cartwise.features.packed import Packing
from cartwise.features.spec import Specification
from cartwise.store.head import Head
from cartwise.store.offsets import stale_offset
from cartwise.store.protocol import Advance, Merge, Position, Replacement, Resumption, States
from cartwise.store.redis_errors import require_no_eviction, translated
from cartwise.store.redis_keys import HEAD, PREFIX
from cartwise.store.redis_library import library_of

TIMEOUT_SECONDS: Final = 10.0
_POSITIONS: Final = b"cartwise:positions"
_AT_A_TIME: Final = 5000

Argument = bytes | str | int


class _FunctionMissing(Exception):
    """The server does not have the library."""


class RedisStore:
    """States in a database of a Redis server, which is spoken to at the first use.

    A call that failed for a broken connection is made once more. If a merge had been done all the
    same, that raises StaleOffset: whoever resumes from the store's offset is right either way.
    """

    def __init__(self, client: Redis, specification: Specification) -> None:
        self._client = client
        self._packing = Packing(specification)
        self._expected = Head(specification.fingerprint)
        self._library, self._text = library_of(specification)

    @classmethod
    def at(cls, url: str, specification: Specification) -> Self:
        """A store at ``redis://``, ``rediss://`` (TLS) or ``unix://``."""
        client = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        return cls(client, specification)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with translated():
            head, *states = self._client.mget([HEAD, *map(PREFIX.__add__, keys)])
        self._expected.require(head)
        found: list[bytes | None] = states
        return found

    def merge(self, merge: Merge) -> None:
        keys = [PREFIX + key for key in merge.deltas]
        advances = _arguments(merge.advances)
        self._call("merge", keys, self._expected.complete, *advances, *merge.deltas.values())

    def replace(self, replacements: Sequence[Replacement]) -> list[bytes]:
        other: list[bytes] = []
        for start in range(0, len(replacements), _AT_A_TIME):
            some = replacements[start : start + _AT_A_TIME]
            states = [part for one in some for part in (one.old or b"", one.new)]
            keys = [PREFIX + one.key for one in some]
            places = self._call("replace", keys, self._expected.complete, *states)
            other += [some[place - 1].key for place in places]
        return other

    def positions(self) -> dict[str, Position]:
        with translated():
            found = self._client.hgetall(_POSITIONS)
        return {source.decode(): _position(text) for source, text in found.items()}

    def resume(self, source: str) -> Resumption:
        position, *pairs = self._call("resume", [], source, read_only=True)
        buckets, ids = map(int, pairs[::2]), pairs[1::2]
        seen = dict(zip(buckets, ids, strict=True))
        return Resumption(_position(position) if position else None, seen)

    def load(self, states: Iterable[States], sources: Mapping[str, Resumption]) -> int:
        own, count = self._expected.loading(), 0
        self._call("begin_load", [], own)
        for keys in self._keys():
            self._call("clear", keys, own)
        for some in states:
            for start in range(0, len(some), _AT_A_TIME):
                part = some[start : start + _AT_A_TIME]
                self._call("put", [PREFIX + key for key, _ in part], own, *(s for _, s in part))
            count += len(some)
        advances = [
            Advance(source, None, one.position, one.seen)
            for source, one in sources.items()
            if one.position is not None
        ]
        self._call("end_load", [], own, self._expected.complete, *_arguments(advances))
        return count

    def scan(self) -> Iterator[States]:
        for keys in self._keys():
            with translated():
                states = self._client.mget(keys)
            found = zip(keys, states, strict=True)
            yield [(key[len(PREFIX) :], state) for key, state in found if state is not None]

    def sweep(self, time: int) -> Iterator[int]:
        return iter(())

    def check(self) -> None:
        with translated():
            require_no_eviction(self._client.info("memory"))
            self._expected.require(self._client.get(HEAD))

    def close(self) -> None:
        self._client.close()

    def _keys(self) -> Iterator[list[bytes]]:
        cursor = None
        while cursor != 0:
            with translated():
                cursor, keys = self._client.scan(cursor or 0, PREFIX + b"*", _AT_A_TIME)
            if keys:
                yield keys

    def _call(
        self, function: str, keys: Sequence[bytes], *args: Argument, read_only: bool = False
    ) -> Any:
        command = "FCALL_RO" if read_only else "FCALL"
        call = (command, f"{self._library}_{function}", len(keys), *keys, *args)
        try:
            return self._do(*call)
        except _FunctionMissing:
            # An empty server, or one that has served other versions only.
            with translated():
                require_no_eviction(self._client.info("memory"))
                self._client.function_load(self._text, replace=True)
            return self._do(*call)

    def _do(self, *call: Argument) -> Any:
        with translated():
            try:
                return self._client.execute_command(*call)
            except ResponseError as error:
                if "Function not found" in str(error):
                    raise _FunctionMissing from error
                self._require_done(str(error))
                raise

    def _require_done(self, reply: str) -> None:
        """Raise what a function's error reply stands for."""
        code, _, text = reply.partition(" ")
        match code:
            case "CARTWISE_STALE":
                found, expected, source = text.split(" ", 2)
                raise stale_offset(source, expected or None, found or None)
            case "CARTWISE_HEAD":
                self._expected.require(text.encode())
            case "CARTWISE_LOAD":
                self._expected.require_own(text.encode() or None, b"")
            case "CARTWISE_FOREIGN":
                raise self._packing.mismatch(bytes.fromhex(text))
            case "CARTWISE_DAMAGED":
                raise DamagedState(f"a state of the entity {text} is of another one or cut short")


def _arguments(advances: Sequence[Advance]) -> list[Argument]:
    """Advances as the functions read them."""
    args: list[Argument] = [len(advances)]
    for advance in advances:
        expected = "" if advance.expected is None else advance.expected
        oldest = "" if advance.oldest_bucket is None else advance.oldest_bucket
        position = " ".join(map(str, astuple(advance.position)))
        args += [advance.source, expected, position, oldest, len(advance.seen)]
        args += [part for bucket in advance.seen.items() for part in bucket]
    return args


def _position(text: bytes) -> Position:
    return Position(*map(int, text.split()))
