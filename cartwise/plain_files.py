"""Files that are read at once: not pipes or devices, at which a reader may wait for ever."""

import os
import tomllib
from pathlib import Path
from typing import Any

from cartwise.errors import InputError


def refuse_endless(path: Path) -> None:
    """Raise InputError where a pipe, or a device that may never end, has the place of a file."""
    if path.is_fifo():
        raise InputError(f"{path} is a pipe, which can be read but once: make it a file first")
    if path.is_char_device() and not path.samefile(os.devnull):
        raise InputError(f"{path} is a device, which may never end: make it a file first")


def read_bytes(file: Path) -> bytes:
    """All that a file holds; raises InputError where it is a pipe or a device."""
    refuse_endless(file)
    return file.read_bytes()


def read_toml(file: Path, name: str, remedy: str = "mend that place") -> dict[str, Any]:
    """The TOML in a file; ``name`` says what the file is.

    Raises:
        InputError: it cannot be read or is something else; ``remedy`` says what to do.
    """
    try:
        # Editors of Windows begin a file with a mark that TOML does not know.
        return tomllib.loads(read_bytes(file).decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{name} {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{name} {file} is not TOML: {error}; {remedy}") from error
