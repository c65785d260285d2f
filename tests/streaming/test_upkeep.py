"""What a worker sees to now and then: whether its store is fit for use, and what may go there."""

from pathlib import Path

import pytest

from cartwise.errors import StoreError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store.memory import MemoryStore
from cartwise.store.protocol import SLACK_SECONDS, Store
from cartwise.store.sqlite import SqliteStore
from cartwise.streaming.metrics import WorkerMetrics
from tests.streaming.worlds import Member, Time, Topic, drain, shop, true_states, view, worker

MONTH = 30 * 86_400


class Reconfigured(MemoryStore):
    """A server whose administrator lets it evict states, from some look on."""

    looks = 0

    def check(self) -> None:
        self.looks += 1
        if self.looks > self.fit:
            raise StoreError("it evicts keys")

    fit = 2


def test_a_store_that_begins_to_evict_is_noticed_while_events_come() -> None:
    states, time = Reconfigured(SPECIFICATION), Time(stride=20.0)
    one = worker(Member(Topic().extend(shop(100))), states, time=time)
    with pytest.raises(StoreError, match="evicts"):
        one.run(lambda: False)
    # At its start, at the take-over, and a minute later.
    assert states.looks == 3


def test_a_store_that_evicts_is_noticed_at_a_take_over() -> None:
    states, topic = Reconfigured(SPECIFICATION), Topic().extend(shop(20))
    states.fit = 1
    with pytest.raises(StoreError, match="evicts"):
        drain(worker(Member(topic), states))
    assert states.positions() == {}


def keys_of(states: Store) -> set[bytes]:
    return {key for some in states.scan() for key, _ in some}


def test_what_nobody_can_see_any_more_goes_while_a_worker_runs(tmp_path: Path) -> None:
    # Visits are forgotten after two weeks, and a week is for those who are behind.
    old, new = view(0, user_session="old", user_id=2), view(MONTH, user_session="new")
    for states in (MemoryStore(SPECIFICATION), SqliteStore(tmp_path / "s.db", SPECIFICATION)):
        metrics = swept(states, Topic(1).extend([old, new]), Time(stride=60.0))
        gone = true_states([old, new]).keys() - keys_of(states)
        session = SPECIFICATION.entities.index(SPECIFICATION.entity("session"))
        assert session in {key[0] for key in gone}
        assert {key[0] for key in true_states([new])} <= {key[0] for key in keys_of(states)}
        assert metrics.registry.get_sample_value("cartwise_stream_swept_states_total") == len(gone)


def swept(states: Store, topic: Topic, time: Time) -> WorkerMetrics:
    """What a worker counts that had hours of nothing to do."""
    metrics, stops = WorkerMetrics(), iter([False] * 100 + [True])
    worker(Member(topic), states, metrics=metrics, time=time).run(lambda: next(stops))
    return metrics


@pytest.mark.parametrize("ahead", [SLACK_SECONDS - 60, 40 * MONTH])
def test_what_a_source_that_is_behind_can_see_stays(ahead: int) -> None:
    """Neither a source that is ahead of another one nor an event of the future makes states go."""
    visit = SPECIFICATION.entity("session").time_to_live_seconds
    old, new = view(0, user_session="old"), view(visit + ahead, user_session="new")
    states, topic = MemoryStore(SPECIFICATION), Topic(1).extend([old, new])
    swept(states, topic, Time(seconds=old.event_time + visit + SLACK_SECONDS - 90_000, stride=60.0))
    assert keys_of(states) == true_states([old, new]).keys()
