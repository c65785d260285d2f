"""What all servers have in common: get ready, start, answer, stop."""

import shutil
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from deploy.services.kept import Kept
from deploy.services.process import Process


class Unavailable(Exception):
    """A server cannot be had on this machine; the message says why, and the remedy."""


class Server(ABC):
    """A server with its data, log, settings and pid in one folder."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 90
    stop_seconds: ClassVar[float] = 20

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = Kept(folder / "settings.json")
        self.process = Process(folder)

    @abstractmethod
    def prepare(self) -> None:
        """Get the programs and write the configuration.

        Raises:
            Unavailable: something is missing.
        """

    @abstractmethod
    def command(self) -> list[str]: ...

    def environment(self) -> Mapping[str, str]:
        """Variables that the server needs beside those of ours."""
        return {}

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does what it is for, now."""

    @abstractmethod
    def addresses(self) -> dict[str, str]:
        """Variables under which its clients find it."""

    def start(self) -> bool:
        """Start it where it does not run yet, and wait until it answers; False if it ran already.

        Raises:
            Unavailable: something is missing, or it ended instead of answering.
        """
        if self.process.runs():
            self._wait()
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kept.renew_taken_ports()
        self.prepare()
        self.process.start(self.command(), self.environment())
        self._wait()
        return True

    def stop(self) -> bool:
        """End it and wait; what does not end by itself is killed. False if it did not run."""
        ran = self.process.runs()
        self.process.end(self.stop_signal, self.stop_seconds)
        return ran

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()

    def _wait(self) -> None:
        end = time.monotonic() + self.start_seconds
        while not self.answers():
            if not self.process.runs() or time.monotonic() > end:
                self.stop()
                raise Unavailable(
                    f"{self.name} did not start: {self.process.last_words()} "
                    f"(the whole story is in {self.process.log})"
                )
            time.sleep(0.05)


def program(name: str, remedy: str) -> str:
    """The path of a program.

    Raises:
        Unavailable: it is not installed.
    """
    if found := shutil.which(name):
        return found
    raise Unavailable(f"{name} is not installed: {remedy}")


def listens(port: int) -> bool:
    """Whether somebody takes connections at a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
