"""A Redis server of the tests' own, which they may stop, kill and start again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from deploy.services.redis import Redis
from deploy.services.server import Unavailable


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """A running server that keeps what it was told; skips the test where none is installed."""
    server = Redis(folder, "always")
    try:
        server.start()
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        yield server
    finally:
        server.stop()


def client_of(server: Redis) -> redis.Redis:
    """A client to do to the server what a store does not."""
    return redis.Redis.from_url(server.url)
