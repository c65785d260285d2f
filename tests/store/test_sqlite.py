"""What a SQLite store does with several processes, crashes and files that are none."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cartwise.errors import InputError, StoreError, StoreTimeout, StoreUnavailable
from cartwise.store import Position
from tests.features.live_events import LIVE
from tests.store.batches import EVENTS, SOURCE, add, batch, deltas, require_same, states_of
from tests.store.places import opened

KILLED = """
import sys
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import open_store
from tests.store.batches import EVENTS, batch
store = open_store(sys.argv[1], SPECIFICATION)
position = store.positions().get("events/0")
start = position.offset if position else 0
while start < len(EVENTS):
    store.merge(batch(EVENTS[start:start + 2], start))
    start += 2
    print(start, flush=True)
"""


def kill_until_done(url: str) -> int:
    """Let a process merge events by twos, kill it again and again; how often it was killed."""
    kills = 0
    while True:
        command = [sys.executable, "-c", KILLED, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            # After so many merges and not after so long: a quick machine would be done by then.
            told = [process.stdout.readline() for _ in range(8 + 4 * (kills % 3))]
            if not told[0]:
                return kills
            os.kill(process.pid, signal.SIGKILL)
            kills += 1


def test_a_killed_writer_leaves_whole_batches_only(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'states.db'}"
    assert kill_until_done(url) > 1
    with opened(url) as store:
        require_same(states_of(store), deltas(EVENTS))
        assert store.positions() == {SOURCE: Position(120, EVENTS[-1].time, 120)}


def after_each(merges: int) -> set[tuple[bytes | None, ...]]:
    """The states of an event's keys before and after each of so many merges of the same event."""
    added = deltas(EVENTS[:1])
    states: list[bytes | None] = [None] * len(added)
    whole = {tuple(states)}
    for _ in range(merges):
        states = list(LIVE.packing.merge(list(added), states, list(added.values())))
        whole.add(tuple(states))
    return whole


def test_a_reader_sees_whole_batches_while_another_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'states.db'}"
    keys, finished = list(deltas(EVENTS[:1])), threading.Event()
    whole = after_each(30)
    with opened(url) as writer, opened(url) as reader:

        def write() -> None:
            for _ in range(30):
                add(writer, EVENTS[:1])
            finished.set()

        thread = threading.Thread(target=write)
        thread.start()
        torn = 0
        while not finished.is_set():
            torn += tuple(reader.read(keys)) not in whole
        thread.join()
        assert torn == 0
        assert None not in reader.read(keys)


def test_two_writers_of_a_source_cannot_both_move_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'states.db'}"
    with opened(url) as one, opened(url) as other:
        one.merge(batch(EVENTS[:5]))
        with pytest.raises(StoreError, match="another worker"):
            other.merge(batch(EVENTS[:5]))
        require_same(states_of(other), deltas(EVENTS[:5]))


def test_a_lock_that_is_held_too_long_is_a_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cartwise.store.sqlite._BUSY_SECONDS", 0.05)
    path = tmp_path / "states.db"
    with opened(f"sqlite:///{path}") as store:
        holder = sqlite3.connect(path)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreTimeout, match=str(path)):
            add(store, EVENTS[:1])
        holder.close()
        add(store, EVENTS[:1])


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        opened(f"sqlite:///{tmp_path}/missing/states.db")


def test_a_folder_in_the_file_s_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=str(tmp_path)):
        opened(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    path.write_text("user_id,product_id\n" * 100)
    with pytest.raises(StoreError, match="no SQLite file"):
        opened(f"sqlite:///{path}")


def test_a_database_of_another_version_is_told(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(InputError, match="version"):
        opened(f"sqlite:///{path}")
