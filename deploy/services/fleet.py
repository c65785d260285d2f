"""All servers of one folder, and which of them need which."""

from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Final

from deploy.services.kafka import Kafka
from deploy.services.mlflow import MLflow
from deploy.services.postgres import Postgres
from deploy.services.redis import Redis
from deploy.services.seaweedfs import SeaweedFS
from deploy.services.server import Server

NAMES: Final = ("redis", "kafka", "postgres", "s3", "mlflow")


class Fleet:
    """Servers by name; starting one starts those that it needs before it."""

    def __init__(self, folder: Path) -> None:
        postgres, s3 = Postgres(folder / "postgres"), SeaweedFS(folder / "s3")
        self._servers: dict[str, Server] = {
            "redis": Redis(folder / "redis"),
            "kafka": Kafka(folder / "kafka"),
            "postgres": postgres,
            "s3": s3,
            "mlflow": MLflow(folder / "mlflow", postgres, s3),
        }
        self._locks = {name: Lock() for name in NAMES}

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    def __iter__(self) -> Iterator[Server]:
        return iter(self._servers.values())

    def start(self, name: str) -> bool:
        """Start a server after those that it needs; False if it ran already.

        Raises:
            Unavailable: it, or one that it needs, cannot be had.
        """
        for needed in self._servers[name].needs:
            self.start(needed)
        with self._locks[name]:
            return self._servers[name].start()

    def in_order_of_end(self) -> list[list[Server]]:
        """Groups of servers: those that need others, then the others."""
        return [[s for s in self if s.needs], [s for s in self if not s.needs]]
