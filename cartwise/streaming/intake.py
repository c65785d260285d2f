"""From messages to the events that count: decoded, checked, each of them once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cartwise.errors import RefusedMessage
from cartwise.events import EVENT_TYPES
from cartwise.features.live import LiveEvent
from cartwise.store.protocol import Advance
from cartwise.streaming.partition import Partition
from cartwise.streaming.source import Record, origin
from cartwise.wire import DeadLetter, Event, dead_letter, decode_event, event_id, require_not_ahead

_KINDS: Final = {name: code for code, name in enumerate(EVENT_TYPES)}


class Accepted(NamedTuple):
    """An event that is to be applied, its id, and where and when it came."""

    event: Event
    id: bytes
    record: Record

    def live(self) -> LiveEvent:
        """The event as the feature core takes it."""
        kind = _KINDS[self.event.event_type]
        return LiveEvent(self.event.event_time, kind, *self._rest())

    def _rest(self) -> tuple[int, int | None, str | None, str | None, float, int, str | None]:
        event = self.event
        return (
            event.product_id, event.category_id, event.category_code, event.brand, event.price,
            event.user_id, event.user_session,
        )  # fmt: skip


@dataclass
class Batch:
    """What some messages came to: events in their order, and what is no event."""

    accepted: list[Accepted] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    duplicates: int = 0
    late: int = 0
    advances: list[Advance] = field(default_factory=list)


def take_in(records: Sequence[Record], partitions: Mapping[str, Partition]) -> Batch:
    """Take the next messages in; those of partitions that are not ours, or known, are left out."""
    batch = Batch()
    touched: dict[str, Partition] = {}
    for record in records:
        partition = partitions.get(record.source)
        if partition is None or record.offset < partition.next_offset:
            continue
        partition.next_offset = record.offset + 1
        touched[record.source] = partition
        _take(record, partition, batch)
    batch.advances = [partition.advance() for partition in touched.values()]
    return batch


def _take(record: Record, partition: Partition, batch: Batch) -> None:
    try:
        event = read_event(record)
    except RefusedMessage as refused:
        batch.dead.append(dead_letter(refused.rules, origin(record), record.value))
        return
    identity = event_id(event)
    verdict = partition.judge(identity, event.event_time)
    if verdict == "duplicate":
        batch.duplicates += 1
        return
    batch.late += verdict == "late"
    batch.accepted.append(Accepted(event, identity, record))


def read_event(record: Record) -> Event:
    """The event of a message; raises RefusedMessage."""
    event = decode_event(record.value)
    if record.arrived is not None:
        require_not_ahead(event, record.arrived)
    return event
