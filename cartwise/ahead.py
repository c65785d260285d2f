"""Computing ahead: threads work on the next items while the caller takes earlier results."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield ``function(item)`` for each item, in order.

    ``items`` are drawn by the caller's own thread; at most ``workers`` results wait to be taken,
    which bounds the memory. What a call raises is raised here in its turn.
    """
    waiting: deque[Future[R]] = deque()
    threads = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append(threads.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
