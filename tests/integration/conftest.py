"""Real servers for tests: shared ones by their addresses, and private ones to kill.

Addresses come from the environment, or else from the ``.services.env`` of ``make services``.
Without them a test is skipped with the reason.
"""

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
import redis

from deploy.services import environment
from deploy.services.fleet import Fleet
from deploy.services.kafka import Kafka, has_libraries
from deploy.services.redis import Redis
from deploy.services.server import Server, Unavailable

LAST_DATABASE = 15
S3_SETTINGS = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION")
REMEDY = "start real servers with: make services"

AnyServer = TypeVar("AnyServer", bound=Server)


def variable(name: str, scheme: str = "") -> str:
    """A variable's value, of that scheme; skips without one."""
    for value in (os.environ.get(name), environment.read().get(name)):
        if value and value.startswith(scheme):
            return value
    pytest.skip(f"{name} names no {scheme or 'server'}; {REMEDY}")


def address(name: str, scheme: str = "") -> str:
    """The value of a variable that leads to a server which listens; skips without one."""
    value = variable(name, scheme)
    where = urlsplit(value if "://" in value else f"//{value}")
    try:
        socket.create_connection((where.hostname, where.port), timeout=5).close()
    except OSError:
        pytest.skip(f"nobody listens at {name} ({where.hostname}:{where.port}); {REMEDY}")
    return value


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A database that is empty at the start, on the shared Redis; never the one of the address.

    Each process that tests in parallel has one of its own.
    """
    where = urlsplit(address("CARTWISE_STORE_URL", scheme="redis"))
    if where.hostname not in {"127.0.0.1", "localhost"}:
        pytest.skip(f"tests empty a database, so not on {where.hostname}; {REMEDY}")
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    url = where._replace(path=f"/{LAST_DATABASE - worker}").geturl()
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


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the variables by which clients find its server and key."""

    name: str
    variables: Mapping[str, str]

    @cached_property
    def client(self) -> Any:
        endpoint, key, secret, region = self.variables.values()
        session = boto3.Session(key, secret, region_name=region)
        return session.client("s3", endpoint_url=endpoint)


@pytest.fixture(scope="session")
def s3() -> Iterator[Bucket]:
    """A new bucket for this session's tests, each of which keeps to a prefix of its own."""
    variables = {
        "CARTWISE_S3_ENDPOINT": address("CARTWISE_S3_ENDPOINT"),
        **{f"AWS_{name}": variable(f"AWS_{name}") for name in S3_SETTINGS},
    }
    bucket = Bucket(f"test-{secrets.token_hex(6)}", variables)
    client = bucket.client
    client.create_bucket(Bucket=bucket.name)
    yield bucket
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name):
        for entry in page.get("Contents", []):
            client.delete_object(Bucket=bucket.name, Key=entry["Key"])
    client.delete_bucket(Bucket=bucket.name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A new, empty database for this session's tests."""
    shared, name = address("CARTWISE_POSTGRES_URL"), f"test_{secrets.token_hex(6)}"
    with psycopg.connect(shared, autocommit=True) as session:
        session.execute(f'create database "{name}"'.encode())
    yield urlsplit(shared)._replace(path=f"/{name}").geturl()
    with psycopg.connect(shared, autocommit=True) as session:
        session.execute(f'drop database "{name}" with (force)'.encode())


@pytest.fixture
def mlflow_uri(monkeypatch: pytest.MonkeyPatch) -> str:
    """The tracking server, in the environment with its account; ask for it after ``cartwise``."""
    uri = address("MLFLOW_TRACKING_URI", scheme="http")
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, variable(name))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


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
    # It starts several times for a few seconds: compiling well would take longer than it saves.
    quickly = ["-XX:TieredStopAtLevel=1"]
    server = Kafka(tmp_path_factory.mktemp("kafka"), libraries, quickly)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def own_tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """MLflow with a PostgreSQL and an S3 server of its own, to ``kill()`` and ``start()`` again."""
    fleet = Fleet(tmp_path_factory.mktemp("tracking"))
    with pytest.MonkeyPatch.context() as variables:
        # MLflow shall not try a dead S3 for half a minute.
        variables.setenv("AWS_MAX_ATTEMPTS", "2")
        try:
            fleet.start("mlflow")
        except Unavailable as reason:
            pytest.skip(str(reason))
        yield fleet
        for server in fleet:
            server.kill()


def _started(server: AnyServer) -> AnyServer:
    try:
        server.start()
    except Unavailable as reason:
        pytest.skip(str(reason))
    return server
