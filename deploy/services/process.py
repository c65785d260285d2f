"""Programs that outlive the command that started them."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

_SAME_START_SECONDS: Final = 1.0


class Process:
    """One program, found again by the pid and the start time that its file keeps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "pid"
        self._child: subprocess.Popen[bytes] | None = None
        self.log = folder / "log"

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run the command in its folder, as the head of a process group of its own."""
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = psutil.Process(self._child.pid).create_time()
        self._file.write_text(f"{self._child.pid} {started}")

    def runs(self) -> bool:
        return self._found() is not None

    def end(self, number: signal.Signals, seconds: float) -> None:
        """Send a signal to the whole group; what is left after so many seconds is killed."""
        if (found := self._found()) is not None:
            group = [found, *found.children(recursive=True)]
            _signal(found.pid, number)
            _, left = psutil.wait_procs(group, timeout=seconds)
            if left:
                _signal(found.pid, signal.SIGKILL)
                _kill(left)
        self._forget()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.end(signal.SIGKILL, seconds=10)

    def last_words(self) -> str:
        """The last line of the log, or nothing."""
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _found(self) -> psutil.Process | None:
        if self._child is not None and self._child.poll() is not None:
            return None
        try:
            pid, started = self._file.read_text().split()
            process = psutil.Process(int(pid))
            same = abs(process.create_time() - float(started)) < _SAME_START_SECONDS
            alive = same and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process if alive else None

    def _forget(self) -> None:
        self._file.unlink(missing_ok=True)
        if self._child is not None:
            self._child.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)
