"""A store by its address."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from cartwise.errors import InputError, MissingExtra
from cartwise.features.spec import Specification
from cartwise.masking import masked
from cartwise.store.memory import AsyncMemoryStore, MemoryStore
from cartwise.store.protocol import AsyncStore, Store
from cartwise.store.sqlite import AsyncSqliteStore, SqliteStore

_REDIS: Final = ("redis://", "rediss://", "unix://")
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
    if url.startswith(_REDIS):
        store: Store = _with_redis("redis").RedisStore.at(url, specification)
        return store
    return SqliteStore(_sqlite_path(url), specification)


def require_address(url: str) -> None:
    """Raise InputError unless ``url`` is the address of a store."""
    if url != "memory://" and not url.startswith(_REDIS):
        _sqlite_path(url)


def open_existing_store(url: str, specification: Specification) -> Store:
    """As :func:`open_store`, for who only looks: a file that is missing is not made.

    Raises:
        InputError: there is no such file.
    """
    if url.startswith(_SQLITE) and not (path := _sqlite_path(url)).exists():
        raise InputError(
            f"there is no store at {path}: check the path; 'cartwise stream' and "
            "'cartwise materialize' make one"
        )
    return open_store(url, specification)


def open_async_store(url: str, specification: Specification) -> AsyncStore:
    """As :func:`open_store`, for a server that must not wait; it reads only."""
    if url == "memory://":
        return AsyncMemoryStore(MemoryStore(specification))
    if url.startswith(_REDIS):
        reader: AsyncStore = _with_redis("redis_reader").AsyncRedisStore.at(url, specification)
        return reader
    return AsyncSqliteStore(_sqlite_path(url), specification)


def _with_redis(module: str) -> ModuleType:
    try:
        return import_module(f"cartwise.store.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"redis", "hiredis"}:
            raise
        raise MissingExtra("redis", "stream") from error


def _sqlite_path(url: str) -> Path:
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path:
        raise InputError(
            f"{masked(url)!r} is no address of a store: give sqlite:///path, "
            "redis://host:port/database or memory://"
        )
    return Path(path)
