"""The topics: what they are called and what they are made with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

_DAY_MS: Final = 86_400_000
_LONGEST_MESSAGE_BYTES: Final = 16 * 2**20
_LONGEST_SCORE_BYTES: Final = 2**20


class Topics(NamedTuple):
    """Names of the topics of one shop."""

    events: str
    scores: str
    dead_letters: str

    @classmethod
    def of(cls, prefix: str) -> "Topics":
        """The topics whose names begin with ``prefix`` and a dot."""
        return cls(f"{prefix}.events", f"{prefix}.scores", f"{prefix}.dead-letters")


@dataclass(frozen=True)
class TopicSettings:
    """What new topics are made with.

    Attributes:
        partitions: of each topic; as many workers can work side by side, and more partitions
            later would deal users out anew.
        replicas: copies of each partition; None for three, or as many as there are brokers.
        events_days: how long events are kept: longer than the archive may be behind.
        answers_days: how long scores and dead letters are kept.
    """

    partitions: int = 12
    replicas: int | None = None
    events_days: int = 7
    answers_days: int = 30

    def configurations(self, topics: Topics, replicas: int) -> Mapping[str, dict[str, str]]:
        """The broker's settings of each topic, by its name."""
        common = {
            "cleanup.policy": "delete",
            "compression.type": "producer",
            "min.insync.replicas": str(max(1, replicas - 1)),
        }
        answers = common | {"retention.ms": str(self.answers_days * _DAY_MS)}
        events = common | {
            "retention.ms": str(self.events_days * _DAY_MS),
            # The time of arrival, which the archive keeps and freshness is measured from.
            "message.timestamp.type": "LogAppendTime",
            # A client that sends too much finds a dead letter with its reason, and so do we.
            "max.message.bytes": str(_LONGEST_MESSAGE_BYTES),
        }
        return {
            topics.events: events,
            topics.scores: answers | {"max.message.bytes": str(_LONGEST_SCORE_BYTES)},
            topics.dead_letters: answers,
        }
