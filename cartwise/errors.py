"""Every error that a caller may want to catch, as one tree.

A message says what is wrong, where, and what to do. The command line prints it as one sentence,
which a list may follow, and exits with 1, or with 2 where the command itself was wrong; anything
that is not a ``CartwiseError`` is a defect.
"""

from collections.abc import Sequence
from typing import ClassVar


class CartwiseError(Exception):
    """Base of all expected errors."""

    exit_code: ClassVar[int] = 1


class InputError(CartwiseError):
    """A file or folder that was given cannot be used: missing, unreadable, empty or malformed."""


class OutputError(CartwiseError):
    """A result cannot be written: no permission, no space, or something else is in the way."""


class UsageError(InputError):
    """An option or argument has a value that it cannot have, whatever the data is like."""

    exit_code = 2


class PlaceTaken(OutputError):
    """A result would be written over what is not an older one of its kind, or into what is read."""

    exit_code = 2


class NotEnoughData(CartwiseError):
    """The log is too short or too thin for what was asked of it."""


class FingerprintMismatch(CartwiseError):
    """Two things were made with different feature specifications."""


class StreamError(CartwiseError):
    """Kafka is away, lacks a topic, or refuses."""


class TopicError(StreamError):
    """A topic is missing, was made anew, or may not be read: waiting will not mend that."""


class RefusedMessage(CartwiseError):
    """A message is not what its topic holds.

    Attributes:
        rules: names of all rules that it breaks.
    """

    def __init__(self, rules: Sequence[str]) -> None:
        self.rules = tuple(rules)
        super().__init__(f"the message breaks the rules {', '.join(rules)}: correct its sender")


class BundleError(CartwiseError):
    """A model bundle is incomplete, altered or unreadable."""


class RegistryError(CartwiseError):
    """The model registry cannot be reached, or has not what was asked of it."""


class ApiError(CartwiseError):
    """The API does not answer, or refuses what was asked of it."""


class StoreError(CartwiseError):
    """The store of states did not do what it was asked."""


class StoreUnavailable(StoreError):
    """The store cannot be reached, or refuses to work; asking again later may help."""


class StoreTimeout(StoreUnavailable):
    """The store did not answer in time."""


class StoreIncomplete(StoreError):
    """The store is being loaded, or a load of it was interrupted: its states are not whole."""


class StaleOffset(StoreError):
    """A merge expected another offset than the store has: nothing was changed."""


class DamagedState(StoreError):
    """A stored state is not what a state of its entity looks like."""


class MissingExtra(CartwiseError):
    """An optional part of Cartwise is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"'{package}' is not installed: it belongs to the extra '{extra}'; "
            f"install it with: make extra NAME={extra}"
        )
