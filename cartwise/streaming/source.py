"""Where a worker's events come from: partitions of a topic, a lake, or a queue in this process."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from cartwise.wire import Origin


class Record(NamedTuple):
    """One message: its partition, its place there, when it arrived (seconds since the Unix epoch,
    None where nobody noted it), and its bytes."""

    source: str
    offset: int
    arrived: float | None
    value: bytes

    @property
    def arrived_ms(self) -> int | None:
        """When it arrived, in milliseconds."""
        return None if self.arrived is None else round(1000 * self.arrived)


def source_name(topic: str, partition: int) -> str:
    """What a partition is called in the store."""
    return f"{topic}/{partition}"


def origin(record: Record) -> Origin:
    """Where a message stands."""
    topic, _, partition = record.source.rpartition("/")
    return Origin(topic, int(partition), record.offset)


class EventSource(Protocol):
    """Partitions that come and go. A new one waits until somebody says where it starts."""

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """The next messages of the partitions that were started, in the order of each.

        Waits for so many seconds at most. Partitions may come and go only during this call.

        Raises:
            StreamError: there is no reading on.
        """
        ...

    @property
    def waiting(self) -> Collection[str]:
        """Names of the partitions that wait to be started."""
        ...

    @property
    def running(self) -> Collection[str]:
        """Names of the partitions that were started and are still ours."""
        ...

    def start(self, source: str, offset: int | None) -> bool:
        """Go on from an offset, None for the first there is; False if that is to be tried again."""
        ...

    def hold(self) -> None:
        """Let all partitions wait again."""
        ...

    def tell(self, offsets: Mapping[str, int]) -> None:
        """Let others see how far we are; nobody starts from there."""
        ...

    def lag(self) -> dict[str, int]:
        """By partition, how many messages are yet to be read, as far as it is known."""
        ...

    @property
    def drained(self) -> bool:
        """Whether all partitions were read to their ends."""
        ...

    def close(self) -> None:
        """Give the partitions back."""
        ...
