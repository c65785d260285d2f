"""Real servers for tests: shared ones by their addresses, and private ones to kill.

Addresses come from the environment, or else from the ``.services.env`` of ``make services``.
Without them a test is skipped with the reason.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
import redis

from deploy.services import environment
from deploy.services.kafka import Kafka, has_libraries
from deploy.services.redis import Redis
from deploy.services.server import Server, Unavailable

TESTS_DATABASE = 15
REMEDY = "start real servers with: make services"

AnyServer = TypeVar("AnyServer", bound=Server)


def address(variable: str) -> str:
    """The value of a variable that leads to a server which listens; skips without one."""
    value = os.environ.get(variable) or environment.read().get(variable)
    if not value:
        pytest.skip(f"{variable} is not set; {REMEDY}")
    where = urlsplit(value if "://" in value else f"//{value}")
    try:
        socket.create_connection((where.hostname, where.port), timeout=5).close()
    except OSError:
        pytest.skip(f"nobody listens at {variable} ({where.hostname}:{where.port}); {REMEDY}")
    return value


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A database that is empty at the start, on the shared Redis; never the one of the address."""
    where = urlsplit(address("CARTWISE_STORE_URL"))
    if where.hostname not in {"127.0.0.1", "localhost"}:
        pytest.skip(f"tests empty a database, so not on {where.hostname}; {REMEDY}")
    url = where._replace(path=f"/{TESTS_DATABASE}").geturl()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture(scope="session")
def kafka_bootstrap() -> str:
    """The shared broker; give topics a ``topic_prefix``."""
    return address("CARTWISE_KAFKA_BOOTSTRAP")


@pytest.fixture
def topic_prefix() -> str:
    """What keeps the topics and groups of one test apart from all others."""
    return f"test-{secrets.token_hex(6)}."


@pytest.fixture
def own_redis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Redis]:
    """A Redis to ``kill()`` and ``start()`` with its data; an indirect parameter: appendfsync."""
    server = _started(Redis(tmp_path / "redis", getattr(request, "param", "everysec")))
    yield server
    server.stop()


@pytest.fixture
def own_kafka(session_kafka: Kafka) -> Kafka:
    """A running broker to ``kill()`` and ``start()`` again; other tests use it afterwards."""
    return _started(session_kafka)


@pytest.fixture(scope="session")
def session_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    libraries = environment.FOLDER / "kafka/libraries"
    if not has_libraries(libraries):
        pytest.skip(f"Kafka's libraries were not fetched yet; {REMEDY}")
    server = Kafka(tmp_path_factory.mktemp("kafka"), libraries)
    yield server
    server.stop()


def _started(server: AnyServer) -> AnyServer:
    try:
        server.start()
    except Unavailable as reason:
        pytest.skip(str(reason))
    return server
