"""How long work tells how far it is, without knowing who listens."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

Advance = Callable[[int], None]
"""Called with the number of units done since the last call."""


class Progress(Protocol):
    """Something that shows the progress of named tasks."""

    def task(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Advance]:
        """Open a task of ``total`` units (None: not known), whose name is in the singular, such as
        "event"; leaving the block ends it."""
        ...

    def say(self, line: str) -> None:
        """Tell one fact to the person who waits."""
        ...


class Silent:
    """A progress that shows nothing."""

    @contextmanager
    def task(self, name: str, total: int | None, unit: str) -> Iterator[Advance]:
        yield lambda _done: None

    def say(self, line: str) -> None:
        return None


SILENT: Final[Progress] = Silent()
"""What work tells its progress to where nobody listens."""
