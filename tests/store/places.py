"""Places where states may live, each of which can be opened more than once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import Specification
from cartwise.store import AsyncStore, Store, open_async_store, open_store
from cartwise.store.memory import AsyncMemoryStore, MemoryStore


@dataclass(frozen=True)
class Place:
    open: Callable[[], Store]
    open_async: Callable[[], AsyncStore]
    open_as: Callable[[Specification], Store]


def memory_place() -> Place:
    store = MemoryStore(SPECIFICATION)

    def open_as(specification: Specification) -> Store:
        other = MemoryStore(specification)
        other._head, other._states = store._head, store._states
        return other

    return Place(lambda: store, lambda: AsyncMemoryStore(store), open_as)


@contextmanager
def place_at(url: str) -> Iterator[Place]:
    """A place by its address; what was opened is closed in the end."""
    with ExitStack() as opened:

        def open_as(specification: Specification) -> Store:
            return opened.enter_context(closing(open_store(url, specification)))

        yield Place(
            lambda: open_as(SPECIFICATION), lambda: open_async_store(url, SPECIFICATION), open_as
        )


def opened(url: str) -> closing[Store]:
    """A store to use in a with block."""
    return closing(open_store(url, SPECIFICATION))
