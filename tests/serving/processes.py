"""``cartwise serve`` as a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cartwise.serving.keys import Keyring, Scope
from deploy.services.kept import free_port
from tests.serving.worlds import NOW

# After a change of the kernel, the first server compiles it.
_START_SECONDS = 300


@dataclass
class Server:
    """A running server with a key for everything."""

    process: subprocess.Popen[bytes]
    address: str
    headers: dict[str, str]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers=self.headers, timeout=30)

    def post(self, path: str, body: Any) -> httpx.Response:
        with self.client() as client:
            return client.post(path, json=body)

    def status(self) -> dict[str, Any]:
        with self.client() as client:
            return dict(client.get("/v1/status").json())


@contextmanager
def serving(folder: Path, *options: object, **variables: str) -> Iterator[Server]:
    """Run ``cartwise serve`` in a folder until the block ends."""
    ring, text = Keyring().with_new("test", list(Scope), NOW)
    ring.write(folder / "keys.json")
    port = free_port()
    log = folder / "serve.log"
    given = {k: v for k, v in os.environ.items() if not k.startswith(("CARTWISE_", "MLFLOW_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cartwise", "serve", "--port", str(port), *map(str, options)],
            cwd=folder,
            env={**given, **variables},
            stderr=output,
        )
    server = Server(process, f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {text}"})
    try:
        _await(server, log)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _await(server: Server, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    # One client: each new one reads all the certificates that it trusts.
    with server.client() as client:
        while time.monotonic() < deadline and server.process.poll() is None:
            try:
                if client.get("/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


def until(holds: Any, seconds: float = 30) -> bool:
    """Whether something comes to hold in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False
