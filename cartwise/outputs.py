"""The standard output and error, of which somebody may have closed one, or which may be full."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import TextIOWrapper
from typing import Any, Final, TextIO, cast

_STDOUT: Final = 1
_STDERR: Final = 2


def prepare() -> None:
    """Let what is written to an output that was closed (``>&-``) go nowhere, and escape signs that
    the standard output cannot show, as Python does on the standard error."""
    # A number that is free would else be that of the next file.
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(number)
    for name, number in (("stdout", _STDOUT), ("stderr", _STDERR)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w"))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def unfailing_stderr() -> Iterator[None]:
    """A block whose work no standard error ends that is full, or whose terminal is gone."""
    output = sys.stderr
    try:
        with redirect_stderr(cast("TextIO", _Unfailing(output))):
            yield
    finally:
        write(output, "")


class _Unfailing:
    """An output that tells nobody what it cannot take; it keeps some, for when it can again."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._output.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._output.flush()


def write(output: TextIO, text: str) -> bool:
    """Whether an output takes a text; if not, all that it still holds is dropped."""
    try:
        output.write(text)
        output.flush()
    except OSError:
        # What was not written would fail again at the end of the process.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, output.fileno())
        os.close(nowhere)
        return False
    return True
