"""What can go wrong with files, told as errors that say which file and what to do."""

import errno
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Final

import polars as pl
import pyarrow as pa

from cartwise.errors import InputError, OutputError
from cartwise.plain_files import refuse_endless

_BROKEN_OFF: Final = "Invalid thrift: transport error"
"""All that Polars says where a disk is full before the end of a Parquet file."""

_LONGEST_REASON: Final = 160

_NO_WAY: Final = (errno.ELOOP, errno.ENAMETOOLONG)

_UNREADABLE: Final = (
    OSError,
    EOFError,
    zlib.error,
    pa.ArrowException,
    pl.exceptions.PolarsError,
)

_OS_REASON: Final = re.compile(r"([^:]+) \(os error \d+\)")


@contextmanager
def readable(path: Path | str, remedy: str = "get it again") -> Iterator[None]:
    """Translate what goes wrong while reading a file into an InputError that names a remedy."""
    try:
        refuse_endless(Path(path))
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: check the path") from error
    except PermissionError as error:
        where = error.filename or path
        raise InputError(f"{where} may not be read: check its permissions") from error
    except pa.ArrowNotImplementedError as error:
        raise InputError(
            f"{path} cannot be read here ({_reason(error)}): write it another way"
        ) from error
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno in _NO_WAY:
            reason = os.strerror(error.errno)
            raise InputError(f"{path} cannot be reached ({reason}): check the path") from error
        raise InputError(f"{path} is damaged or cut short ({_reason(error)}): {remedy}") from error


def _reason(error: Exception) -> str:
    # Polars names every column that a file has, where it lacks one.
    return shorten(str(error).partition("\n")[0].rstrip("."), _LONGEST_REASON)


def is_utf8(path: Path) -> bool:
    """Whether a name is what libraries can take: Linux allows any bytes in it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def writable(place: Path) -> Iterator[None]:
    """Translate what goes wrong while writing a file, or below a folder, into an OutputError."""
    if not is_utf8(place):
        raise OutputError(f"{place} is a name that is not UTF-8: choose another")
    try:
        yield
    except OSError as error:
        # Arrow's errors have a number but a text of their own.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise _output_error(place, reason) from error
    except pl.exceptions.ComputeError as error:
        # Polars wraps what the system says in its own error, as text.
        if found := _OS_REASON.search(str(error)):
            raise _output_error(place, found[1].strip()) from error
        if _BROKEN_OFF in str(error):
            raise _output_error(place, "writing broke off") from error
        raise


def _output_error(place: Path, reason: str) -> OutputError:
    return OutputError(
        f"{place} cannot be written ({reason}): free space, check permissions or choose another "
        "place, and run it again"
    )
