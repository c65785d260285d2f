"""Disks that fill up, and folders that are closed."""

import ctypes
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_CAPABILITIES_VERSION: Final = 0x20080522
_READS_ANYTHING: Final = 0b110
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


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
    """A folder that may not be looked into, while the block lasts."""
    mode = Path(folder).stat().st_mode
    Path(folder).chmod(0)
    try:
        with _without_the_rights_of_root():
            yield
    finally:
        Path(folder).chmod(mode)


@contextmanager
def _without_the_rights_of_root() -> Iterator[None]:
    """Let permissions tell this thread, even root's, what it may read: capabilities(7)."""
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    rights = (ctypes.c_uint32 * 6)()
    libc.capget(header, rights)
    before = rights[0]
    rights[0] = before & ~_READS_ANYTHING
    libc.capset(header, rights)
    try:
        yield
    finally:
        rights[0] = before
        libc.capset(header, rights)
