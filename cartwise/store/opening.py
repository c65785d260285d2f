"""A store by its address."""

from pathlib import Path
from typing import Final

from cartwise.errors import InputError
from cartwise.features.spec import Specification
from cartwise.store.memory import AsyncMemoryStore, MemoryStore
from cartwise.store.protocol import AsyncStore, Store
from cartwise.store.sqlite import AsyncSqliteStore, SqliteStore

_SQLITE: Final = "sqlite:///"


def open_store(url: str, specification: Specification) -> Store:
    """Open ``memory://`` (a new one), ``sqlite:///path`` or ``redis://host:port/database``.

    ``sqlite:////tmp/states.db`` is an absolute path. A server is spoken to at the first use.

    Raises:
        InputError: the address is none of these.
        MissingExtra: the client for this kind of store is not installed.
    """
    if url == "memory://":
        return MemoryStore(specification)
    return SqliteStore(_sqlite_path(url), specification)


def open_async_store(url: str, specification: Specification) -> AsyncStore:
    """As :func:`open_store`, for a server that must not wait; it reads only."""
    if url == "memory://":
        return AsyncMemoryStore(MemoryStore(specification))
    return AsyncSqliteStore(_sqlite_path(url), specification)


def _sqlite_path(url: str) -> Path:
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path:
        raise InputError(
            f"{url!r} is no address of a store: give sqlite:///path, redis://host:port/database or "
            "memory://"
        )
    return Path(path)
