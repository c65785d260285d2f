"""Without Kafka and Redis the same worker reads a lake, or what this process brings."""

import json
import socket
from pathlib import Path

import pytest

from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import open_store
from cartwise.store.memory import MemoryStore
from cartwise.streaming.local import DEAD_LETTERS, SCORES, FileOutlet, LakeSource, QueueSource
from cartwise.wire import Event
from tests.commands import Commands
from tests.data.logs import write_lake
from tests.reference import Event as ReferenceEvent
from tests.streaming.test_worker import FailingStore
from tests.streaming.worlds import POISON, drain, require_states, shop, worker


def lake(folder: Path, events: list[Event]) -> Path:
    log = [
        ReferenceEvent(e.event_time, e.event_type, e.product_id, e.category_id, e.brand, e.price,
                       e.user_id, e.user_session)
        for e in events
    ]  # fmt: skip
    return write_lake(folder, log)


def test_a_lake_is_followed_day_after_day_and_day_by_day_where_it_grew(tmp_path: Path) -> None:
    events, store = shop(500), MemoryStore(SPECIFICATION)
    drain(worker(LakeSource(lake(tmp_path, events[:200])), store))
    days = len(store.positions())
    drain(worker(LakeSource(lake(tmp_path, events)), store))
    require_states(store, events)
    assert days < len(store.positions())
    assert sum(position.applied for position in store.positions().values()) == 500


def test_a_lake_survives_a_store_that_comes_and_goes(tmp_path: Path) -> None:
    events, store = shop(300), FailingStore(["before", "after", "before"])
    drain(worker(LakeSource(lake(tmp_path, events)), store))
    require_states(store, events)


@pytest.mark.parametrize("failures", [[], ["before", "after", "none", "before"]])
def test_a_queue_loses_and_doubles_nothing_while_its_process_lives(failures: list[str]) -> None:
    events, store = shop(300), FailingStore(failures)
    source = QueueSource("local", lambda: 2e9)
    one = worker(source, store)
    for start in range(0, 300, 100):
        for event in events[start : start + 100]:
            source.send_event(event)
        drain(one)
    require_states(store, events)
    assert store.positions()["local/0"].offset == 300


def test_a_queue_goes_on_after_the_offset_of_the_process_before() -> None:
    events, store = shop(100), MemoryStore(SPECIFICATION)
    for part in (events[:60], events[60:]):
        source = QueueSource("local", lambda: 2e9)
        for event in part:
            source.send_event(event)
        drain(worker(source, store))
    assert store.positions()["local/0"].offset == 100
    require_states(store, events)


def test_scores_and_dead_letters_are_lines_of_files(tmp_path: Path) -> None:
    source, outlet = QueueSource("local", lambda: 2e9), FileOutlet(tmp_path / "out")
    for event in shop(100):
        source.send_event(event)
    source.send_message(POISON["message_is_json"])
    drain(worker(source, MemoryStore(SPECIFICATION), outlet))
    scores = [json.loads(line) for line in (tmp_path / "out" / SCORES).read_text().splitlines()]
    assert {score["model_version"] for score in scores} == {"half"}
    [dead] = map(json.loads, (tmp_path / "out" / DEAD_LETTERS).read_text().splitlines())
    assert dead["origin"] == {"topic": "local", "partition": 0, "offset": 100}


def test_the_command_follows_a_lake_into_sqlite(cartwise: Commands, tmp_path: Path) -> None:
    events = shop(200)
    lake(tmp_path / "lake", events)
    told = cartwise("stream", "--events", tmp_path / "lake", "--store-url", "sqlite:///states.db")
    assert told.code == 0, told.err
    require_states(open_store(f"sqlite:///{tmp_path}/states.db", SPECIFICATION), events)


def test_a_port_that_is_taken_is_told(cartwise: Commands, tmp_path: Path) -> None:
    lake(tmp_path / "lake", shop(10))
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104 - where metrics are served
        port = taken.getsockname()[1]
        told = cartwise("stream", "--events", tmp_path / "lake", "--metrics-port", port)
    assert told.code == 1
    assert f"metrics cannot be served at port {port}" in told.err


def test_the_command_materializes_a_lake(cartwise: Commands, tmp_path: Path) -> None:
    events = shop(200)
    lake(tmp_path / "lake", events)
    told = cartwise(
        "materialize", "--events", tmp_path / "lake", "--store-url", "sqlite:///states.db", "--json"
    )
    assert told.code == 0, told.err
    assert json.loads(told.out)["events"] == 200
    require_states(open_store(f"sqlite:///{tmp_path}/states.db", SPECIFICATION), events)
