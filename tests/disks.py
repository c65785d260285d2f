"""Disks that fill up, and folders that are closed."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """Writing beyond it fails as on a full disk, while the block lasts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def closed(folder: str) -> Iterator[None]:
    """A folder of the current one that nobody may look into, while the block lasts."""
    # Whoever is root may look everywhere, and so becomes somebody else.
    Path.cwd().chmod(0o755)
    is_root = os.geteuid() == 0
    Path(folder).chmod(0)
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        Path(folder).chmod(0o755)
