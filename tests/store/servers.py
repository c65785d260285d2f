"""A Redis server of the tests' own, which they may stop, kill and start again."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis


@dataclass
class Server:
    """A server on the loopback; what it keeps on disk stays between starts."""

    folder: Path
    options: tuple[str, ...] = ("--appendonly", "yes", "--appendfsync", "always")
    port: int = field(default_factory=lambda: _free_port())  # noqa: PLW0108 - defined below
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def start(self) -> None:
        address = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder))
        self.process = subprocess.Popen(
            ["redis-server", *address, "--save", "", *self.options], stdout=subprocess.DEVNULL
        )
        self._wait()

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with self.client as client:
                    client.ping()
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("redis-server did not start")


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[Server]:
    """A running server; skips the test where none is installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on the PATH: install Redis 7, see CONTRIBUTING.md")
    server = Server(folder, options) if options else Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
