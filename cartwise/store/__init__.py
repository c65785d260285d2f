"""Where states live: one protocol over memory, SQLite and Redis."""

from cartwise.store.opening import (
    open_async_store,
    open_existing_store,
    open_store,
    require_address,
)
from cartwise.store.protocol import (
    Advance,
    AsyncStore,
    Merge,
    Position,
    Replacement,
    Resumption,
    Store,
)

__all__ = [
    "Advance",
    "AsyncStore",
    "Merge",
    "Position",
    "Replacement",
    "Resumption",
    "Store",
    "open_async_store",
    "open_existing_store",
    "open_store",
    "require_address",
]
