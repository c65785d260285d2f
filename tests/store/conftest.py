"""The stores that the contract is held against."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.services.redis import Redis
from tests.store.places import Place, memory_place, place_at
from tests.store.servers import client_of, redis_server


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@contextmanager
def _redis_place(server: Redis) -> Iterator[Place]:
    with client_of(server) as client:
        client.flushall()
    with place_at(server.url) as place:
        yield place


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.integration)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "memory":
        yield memory_place()
    elif request.param == "sqlite":
        with place_at(f"sqlite:///{tmp_path / 'states.db'}") as at:
            yield at
    else:
        with _redis_place(request.getfixturevalue("shared_redis")) as at:
            yield at
