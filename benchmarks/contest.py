"""Run each contestant in a process of its own, warmed up, and measure what the work takes."""

import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Contestant:
    """``module`` has ``run(source, out)``; ``package`` is what it needs, of extra ``extra``."""

    name: str
    module: str
    package: str = "cartwise"
    extra: str = ""
    needs_java: bool = False

    def absence(self) -> str | None:
        """Why it cannot take part, and what to do about it; None if it can."""
        if importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed: make extra NAME={self.extra}"
        if self.needs_java and shutil.which("java") is None:
            return "Java is not installed: it needs 17 or later (Debian: openjdk-17-jre-headless)"
        return None


@dataclass(frozen=True)
class Cost:
    """What the work took: by the clock, of all processors, and at most of memory at a time.

    The peak is that of the process with its children, libraries and run-time systems included.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class ContestantFailed(Exception):
    """A contestant broke off."""


def measure(contestant: Contestant, warm: Path, source: Path, out: Path) -> Cost:
    """Let a contestant work on the small ``warm`` first, then measure it on ``source``."""
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        facts, complaints = Path(scratch, "facts.json"), Path(scratch, "complaints")
        Path(scratch, "warm").mkdir()
        out.mkdir()
        # What others wrote shall not be brought to the disk at this contestant's cost.
        os.sync()
        arguments = [warm, Path(scratch, "warm"), source, out, facts]
        with complaints.open("w") as output:
            peak = _peak_bytes([contestant.module, *map(str, arguments)], output.fileno())
        if not facts.exists():
            raise ContestantFailed(f"{contestant.name} failed:\n{complaints.read_text()[-3000:]}")
        return Cost(**json.loads(facts.read_text()), peak_bytes=peak)


def _peak_bytes(arguments: Sequence[str], output: int) -> int:
    command = [sys.executable, "-m", "benchmarks.contestant", *arguments]
    with psutil.Popen(command, stdout=output, stderr=output) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, _resident_bytes(process))
            time.sleep(_POLL_SECONDS)
    return peak


def _resident_bytes(process: psutil.Process) -> int:
    """Of a process with its children."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family)
    except psutil.NoSuchProcess:
        return 0
