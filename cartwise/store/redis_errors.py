"""What goes wrong with Redis, told as errors that say what to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,  # noqa: A004 - Redis's own
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004 - Redis's own
)

from cartwise.errors import StoreError, StoreTimeout, StoreUnavailable


@contextmanager
def translated() -> Iterator[None]:
    """Raise Redis's errors as the store's."""
    try:
        yield
    except RedisError as error:
        raise store_error(error) from error


def store_error(error: Exception) -> StoreError:
    """The store's error for one of Redis's."""
    # The general client has classes for these, the lean one only the text.
    text = str(error)
    if text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        error = AuthenticationError(text)
    elif text.startswith(("LOADING", "MASTERDOWN", "BUSY ")):
        error = ConnectionError(text)
    match error:
        case AuthenticationError() | AuthorizationError() | NoPermissionError():
            return StoreError(
                f"Redis refuses this account ({error}): check the store's URL, and its rights"
            )
        case TimeoutError():
            return StoreTimeout(f"Redis did not answer in time ({error})")
        case OutOfMemoryError():
            return StoreUnavailable("Redis is full: raise its maxmemory, nothing was written")
        case ReadOnlyError():
            return StoreUnavailable("this Redis is a replica: give the address of the primary")
        case ConnectionError():
            return StoreUnavailable(f"Redis cannot be reached ({error})")
    return StoreError(f"Redis: {error}")


def require_no_eviction(memory: Mapping[str, object]) -> None:
    """Raise if a server that says this of its memory may drop states that are still of use."""
    policy = memory.get("maxmemory_policy", "noeviction")
    if memory.get("maxmemory") and policy != "noeviction":
        raise StoreError(
            f"Redis evicts keys when it is full (maxmemory-policy {policy}), so features would be "
            "wrong and nobody would know: set maxmemory-policy to noeviction"
        )


def memory_facts(info: bytes) -> dict[str, object]:
    """``INFO memory`` as the general client gives it, as far as it is of use here."""
    lines = [line.partition(":") for line in info.decode().splitlines()]
    facts = {name: value for name, _, value in lines}
    return {**facts, "maxmemory": int(facts.get("maxmemory", "0"))}
