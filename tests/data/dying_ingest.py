"""Ingests that die at every step they take in the file system, each in a process of its own.

Run as a script: ``SIGNAL STRIDE BASE LAKE SOURCE…`` copies the folder LAKE to BASE/n for every
STRIDE-th n, lets an ingest into it send itself the signal at its n-th step, and ends with the first
that survives. ``limit BYTES LAKE SOURCE…`` lets no file grow beyond so many bytes.
"""

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

# No thread may run before the fork, so nothing is computed in the parent.
from cartwise.data.ingest import ingest
from cartwise.errors import CartwiseError

STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir"}


def die_at_steps(how: int, stride: int, base: Path, lake: Path, sources: list[Path]) -> None:
    for step in count(1, stride):
        out = base / str(step)
        shutil.copytree(lake, out)
        if _forked(partial(_ingest_until, step, how, out, sources)) == 0:
            return


def ingest_within(file_bytes: int, out: Path, sources: list[Path]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    try:
        ingest(sources, out)
    except CartwiseError as error:
        sys.exit(f"{type(error).__name__}: {error}")


def _ingest_until(step: int, how: int, out: Path, sources: list[Path]) -> None:
    steps = count(1)
    if how == signal.SIGTERM:
        # As the command line has it.
        signal.signal(how, lambda number, _frame: sys.exit(128 + number))

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        touches = any(str(out) in str(argument) for argument in arguments)
        if name in STEPS and touches and next(steps) == step:
            os.kill(os.getpid(), how)

    sys.addaudithook(hook)
    ingest(sources, out)


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    how, *rest = sys.argv[1:]
    if how == "limit":
        ingest_within(int(rest[0]), Path(rest[1]), [Path(path) for path in rest[2:]])
    else:
        base, lake, *sources = map(Path, rest[1:])
        die_at_steps(int(how), int(rest[0]), base, lake, sources)
