"""Without Kafka and Redis the same worker reads a lake, or what this process brings."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from cartwise.data.ingest import ingest
from cartwise.data.lake import day_path
from cartwise.errors import InputError, StoreIncomplete
from cartwise.features.catalogue import SPECIFICATION
from cartwise.progress import SILENT, Advance, Progress, Silent
from cartwise.store import Store, open_store
from cartwise.store.memory import MemoryStore
from cartwise.streaming.local import DEAD_LETTERS, SCORES, FileOutlet, LakeSource, QueueSource
from cartwise.streaming.materialize import materialize
from cartwise.wire import Event
from tests.commands import Commands
from tests.damage import flip_bit
from tests.data import raw_files
from tests.data.logs import write_lake
from tests.reference import Event as ReferenceEvent
from tests.streaming.test_worker import FailingStore
from tests.streaming.worlds import POISON, drain, require_states, shop, view, worker

EVENTS = [view(second) for second in range(199)]


def lake(folder: Path, events: list[Event]) -> Path:
    log = [
        ReferenceEvent(e.event_time, e.event_type, e.product_id, e.category_id, e.brand, e.price,
                       e.user_id, e.user_session)
        for e in events
    ]  # fmt: skip
    return write_lake(folder, log)


def follow(folder: Path, store: Store) -> None:
    drain(worker(LakeSource(folder, store.resume), store))


def load(folder: Path, store: Store, progress: Progress = SILENT) -> None:
    materialize(folder, None, store, horizon_seconds=3600, memory_bytes=10**9, progress=progress)


def handled(store: Store) -> int:
    return sum(position.offset for position in store.positions().values())


def test_a_lake_is_followed_day_after_day_and_day_by_day_where_it_grew(tmp_path: Path) -> None:
    events, store = shop(500), MemoryStore(SPECIFICATION)
    follow(lake(tmp_path, events[:200]), store)
    days = len(store.positions())
    follow(lake(tmp_path, events), store)
    require_states(store, events)
    assert days < len(store.positions())
    assert sum(position.applied for position in store.positions().values()) == 500


def test_a_day_that_is_not_as_it_was_written_is_not_followed(tmp_path: Path) -> None:
    log = raw_files.write_rows(tmp_path / "log.csv", [raw_files.event()])
    ingest([log], tmp_path / "lake")
    flip_bit(day_path(tmp_path / "lake", date(2019, 10, 1)), 100)
    with pytest.raises(InputError, match="is not as it was written"):
        follow(tmp_path / "lake", MemoryStore(SPECIFICATION))


def test_a_lake_survives_a_store_that_comes_and_goes(tmp_path: Path) -> None:
    events, store = shop(300), FailingStore(["before", "after", "before"])
    follow(lake(tmp_path, events), store)
    require_states(store, events)


@pytest.mark.parametrize(("followed", "place"), [(100, 1), (100, 99), (199, 198)])
def test_a_day_that_was_added_to_where_it_was_followed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, followed: int, place: int
) -> None:
    store = begun(tmp_path, monkeypatch, followed)
    with pytest.raises(InputError, match=r"2019-10-02 .* run 'cartwise materialize'"):
        follow(lake(tmp_path, added(place)), store)


def test_a_day_that_was_added_to_beyond_that_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = begun(tmp_path, monkeypatch, 100)
    follow(lake(tmp_path, added(100)), store)
    require_states(store, added(100))


def begun(folder: Path, monkeypatch: pytest.MonkeyPatch, followed: int) -> MemoryStore:
    """A store for which a day was followed so far."""
    store = MemoryStore(SPECIFICATION)
    source = LakeSource(lake(folder, EVENTS), store.resume)
    with monkeypatch.context() as patch:
        patch.setattr("cartwise.streaming.worker.LARGEST_BATCH", 100)
        worker(source, store).run(lambda: handled(store) >= followed)
    assert handled(store) == followed
    return store


def added(place: int) -> list[Event]:
    """The day with an event more at that place."""
    return [*EVENTS[:place], view(place, user_id=7), *EVENTS[place:]]


def test_a_lake_that_was_materialized_is_followed_from_there(tmp_path: Path) -> None:
    events, store = shop(400), MemoryStore(SPECIFICATION)
    load(lake(tmp_path, events[:250]), store)
    follow(lake(tmp_path, events[:250]), store)
    require_states(store, events[:250])
    follow(lake(tmp_path, events), store)
    require_states(store, events)
    assert sum(position.applied for position in store.positions().values()) == 400
    with pytest.raises(InputError, match="not those that this store has followed"):
        follow(lake(tmp_path, [view(0, user_id=99), *events]), store)


def test_a_lake_that_grows_while_it_is_materialized_is_not_taken_for_loaded(tmp_path: Path) -> None:
    class Growing(Silent):
        @contextmanager
        def task(self, name: str, _total: int | None, _unit: str) -> Iterator[Advance]:
            if name == "load":
                lake(tmp_path, shop(120))
            yield lambda _done: None

    store = MemoryStore(SPECIFICATION)
    with pytest.raises(InputError, match="meanwhile: run this again"):
        load(lake(tmp_path, shop(100)), store, Growing())
    with pytest.raises(StoreIncomplete):
        store.check()


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
    assert "the store knows no offsets of a topic" in told.err
    require_states(open_store(f"sqlite:///{tmp_path}/states.db", SPECIFICATION), events)
