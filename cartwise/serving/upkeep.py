"""What a server does by itself beside answering: look after its models, its keys and its store."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from cartwise.errors import CartwiseError
from cartwise.serving.daemon_threads import in_daemon
from cartwise.serving.keys import Keyring
from cartwise.serving.routes.health import status_of
from cartwise.serving.service import Service

_log: Final = structlog.get_logger("cartwise.serving")


@dataclass(frozen=True)
class Pace:
    """How often to look, in seconds."""

    models: float = 10.0
    keys: float = 1.0
    health: float = 1.0


class KeyFile:
    """The keys in a file, read again when it changes; what cannot be read changes nothing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self.keyring = Keyring()

    def reload(self) -> None:
        """Read the file if it is another one than last time; raises InputError."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self.keyring = Keyring.read(self._file)
            self._stamp = stamp

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino


def upkeep(
    service: Service, keys: KeyFile | None, pace: Pace
) -> list[Callable[[], Awaitable[None]]]:
    """Tasks that run as long as the server does."""
    tasks = [
        every(pace.models, lambda: in_daemon(service.models.refresh)),
        every(pace.health, lambda: _look(service)),
    ]
    if keys is not None:
        tasks.append(every(pace.keys, lambda: asyncio.to_thread(keys.reload)))
    return tasks


def every(seconds: float, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A task that does something again and again; an error is logged once in a row.

    Nothing ends it: without it, a revoked key would open for ever.
    """

    async def run() -> None:
        said = ""
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
                said = ""
            except Exception as error:
                reason = str(error) or type(error).__name__
                if reason != said:
                    _log.warning("upkeep failed", reason=reason, exc_info=_unexpected(error))
                said = reason

    return run


def _unexpected(error: Exception) -> bool:
    return not isinstance(error, CartwiseError)


async def _look(service: Service) -> None:
    """Find out about the store, also when nobody asks for scores, and show how everything is."""
    await service.store.probe()
    status_of(service)
    tally, metrics = service.score_log.tally, service.metrics
    metrics.scores_kept.set(tally.kept)
    metrics.scores_dropped.set(tally.dropped)
    metrics.models.clear()
    for role, model in (service.models.pair._asdict() if service.models.pair else {}).items():
        if model is not None:
            metrics.models.labels(role, model.version).set(1)
