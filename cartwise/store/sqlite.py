"""A store in one SQLite file: for one machine, without a server.

Several processes may share the file. Readers see whole merges only and do not wait for the writer
(write-ahead log). A crash of a process loses nothing; after a power cut the last merges may be
gone, their offsets with them.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from threading import RLock
from typing import Final

from cartwise.errors import InputError, StoreError, StoreTimeout, StoreUnavailable
from cartwise.features.packed import Packing
from cartwise.features.spec import Specification
from cartwise.store.head import Head
from cartwise.store.offsets import require_offset
from cartwise.store.protocol import Advance, Merge, Position, Replacement, Resumption, States

_FORM: Final = 1
_BUSY_SECONDS: Final = 10.0
_AT_A_TIME: Final = 1000
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS head (id INTEGER PRIMARY KEY CHECK (id = 1), head BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS states (key BLOB PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS positions (source TEXT PRIMARY KEY, next INTEGER NOT NULL,"
    " watermark INTEGER NOT NULL, applied INTEGER NOT NULL, duplicates INTEGER NOT NULL,"
    " late INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS seen"
    " (source TEXT NOT NULL, bucket INTEGER NOT NULL, ids BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS seen_by_bucket ON seen (source, bucket)",
    f"PRAGMA user_version = {_FORM}",
)


class SqliteStore:
    """States in a file that is made if it is missing."""

    def __init__(self, path: Path, specification: Specification) -> None:
        self._path = path
        self._packing = Packing(specification)
        self._expected = Head(specification.fingerprint)
        self._lock = RLock()
        self._connection = self._open()

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._transaction("DEFERRED"):
            self._expected.require(self._head())
            found = self._find(keys)
        return [found.get(key) for key in keys]

    def merge(self, merge: Merge) -> None:
        keys = sorted(merge.deltas)
        with self._transaction("IMMEDIATE"):
            self._expected.require(self._head())
            for advance in merge.advances:
                require_offset(advance, self._position(advance.source))
            found = self._find(keys)
            olds, deltas = [found.get(key) for key in keys], [merge.deltas[key] for key in keys]
            self._put(zip(keys, self._packing.merge(keys, olds, deltas), strict=True))
            for advance in merge.advances:
                self._advance(advance)
            self._set_head(self._expected.complete)

    def replace(self, replacements: Sequence[Replacement]) -> list[bytes]:
        with self._transaction("IMMEDIATE"):
            self._expected.require(self._head())
            found = self._find([one.key for one in replacements])
            other = [one.key for one in replacements if found.get(one.key) != one.old]
            stay = set(other)
            self._put(sorted((one.key, one.new) for one in replacements if one.key not in stay))
            self._set_head(self._expected.complete)
        return other

    def positions(self) -> dict[str, Position]:
        with self._transaction("DEFERRED"):
            rows = self._connection.execute("SELECT * FROM positions").fetchall()
        return {source: Position(*fields) for source, *fields in rows}

    def resume(self, source: str) -> Resumption:
        with self._transaction("DEFERRED"):
            rows = self._connection.execute(
                "SELECT bucket, ids FROM seen WHERE source = ? ORDER BY rowid", (source,)
            )
            seen: dict[int, bytes] = {}
            for bucket, ids in rows:
                seen[bucket] = seen.get(bucket, b"") + ids
            return Resumption(self._position(source), seen)

    def load(self, states: Iterable[States], sources: Mapping[str, Resumption]) -> int:
        own, count = self._expected.loading(), 0
        with self._transaction("IMMEDIATE"):
            self._set_head(own)
            for table in ("states", "positions", "seen"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from above
        for some in states:
            with self._transaction("IMMEDIATE"):
                self._expected.require_own(self._head(), own)
                self._put(sorted(some))
            count += len(some)
        with self._transaction("IMMEDIATE"):
            self._expected.require_own(self._head(), own)
            for source, one in sources.items():
                if one.position is not None:
                    self._advance(Advance(source, None, one.position, one.seen))
            self._set_head(self._expected.complete)
        return count

    def scan(self) -> Iterator[States]:
        after = b""
        while some := self._some_after(after):
            yield some
            after = some[-1][0]

    def sweep(self, time: int) -> Iterator[int]:
        for some in self.scan():
            keys, states = zip(*some, strict=True)
            expiries = self._packing.expiries(keys, states)
            expired = [one for one, expiry in zip(some, expiries, strict=True) if expiry < time]
            yield self._drop(expired)

    def check(self) -> None:
        with self._transaction("DEFERRED"):
            self._expected.require(self._head())

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        if not self._path.parent.is_dir():
            raise InputError(f"{self._path.parent} does not exist: create the store's folder first")
        with _translated(self._path):
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            [form] = connection.execute("PRAGMA user_version").fetchone()
            if form not in {0, _FORM}:
                raise InputError(f"{self._path} is no store of this version of Cartwise")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if form == 0:
                for statement in _TABLES:
                    connection.execute(statement)
        return connection

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        with self._lock, _translated(self._path):
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _head(self) -> bytes | None:
        row = self._connection.execute("SELECT head FROM head").fetchone()
        return row[0] if row else None

    def _set_head(self, head: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO head VALUES (1, ?)", (head,))

    def _find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _AT_A_TIME):
            some = keys[start : start + _AT_A_TIME]
            places = ", ".join("?" * len(some))
            query = f"SELECT key, state FROM states WHERE key IN ({places})"  # noqa: S608
            found.update(self._connection.execute(query, some).fetchall())
        return found

    def _put(self, states: Iterable[tuple[bytes, bytes]]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", states)

    def _drop(self, expired: States) -> int:
        # A state that has changed since it was read may have come to life again.
        with self._transaction("IMMEDIATE"):
            statement = "DELETE FROM states WHERE key = ? AND state = ?"
            return self._connection.executemany(statement, expired).rowcount if expired else 0

    def _some_after(self, key: bytes) -> States:
        query = "SELECT key, state FROM states WHERE key > ? ORDER BY key LIMIT ?"
        with self._transaction("DEFERRED"):
            return self._connection.execute(query, (key, 10 * _AT_A_TIME)).fetchall()

    def _position(self, source: str) -> Position | None:
        query = "SELECT * FROM positions WHERE source = ?"
        row = self._connection.execute(query, (source,)).fetchone()
        return Position(*row[1:]) if row else None

    def _advance(self, advance: Advance) -> None:
        row = (advance.source, *astuple(advance.position))
        self._connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?, ?)", row)
        added = [(advance.source, bucket, ids) for bucket, ids in advance.seen.items()]
        self._connection.executemany("INSERT INTO seen VALUES (?, ?, ?)", added)
        if advance.oldest_bucket is not None:
            statement = "DELETE FROM seen WHERE source = ? AND bucket < ?"
            self._connection.execute(statement, (advance.source, advance.oldest_bucket))


class AsyncSqliteStore:
    """A SQLite store read in a thread beside the event loop."""

    def __init__(self, path: Path, specification: Specification) -> None:
        self._store = SqliteStore(path, specification)

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return await asyncio.to_thread(self._store.read, keys)

    async def check(self) -> None:
        await asyncio.to_thread(self._store.check)

    async def close(self) -> None:
        self._store.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Raise what SQLite finds wrong as errors that say which file and what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise StoreTimeout(
                f"{path} was locked by another process for {_BUSY_SECONDS:g} s: try again"
            ) from error
        raise StoreUnavailable(
            f"{path} cannot be used ({error}): check space, and permissions of file and folder"
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{path} is no SQLite file, or damaged ({error}): move it away and materialize again"
        ) from error
