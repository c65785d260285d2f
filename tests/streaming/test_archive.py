"""The archive keeps all events with their places, and the stream goes on from what it published."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from cartwise.data.earlier_files import held_files
from cartwise.data.lake import day_path, read_day, stored_days
from cartwise.errors import InputError, OutputError, StoreIncomplete
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import Live
from cartwise.folders import locked
from cartwise.progress import Advance, Silent
from cartwise.store.memory import MemoryStore
from cartwise.streaming import publishing, recollection
from cartwise.streaming.archive import Archive, Rolling
from cartwise.streaming.arrivals import Arrivals, Range
from cartwise.streaming.materialize import MaterializeReport, materialize
from cartwise.streaming.metrics import ArchiveMetrics
from cartwise.streaming.partition import Partition, Verdict
from cartwise.streaming.publishing import Published, publish
from cartwise.streaming.rows import events_of
from cartwise.wire import Event
from deploy.services.kept import free_port
from tests.damage import flip_bit
from tests.data.shops import files_of
from tests.streaming.worlds import Member, Topic, drain, live, require_states, shop, view, worker

GIGABYTE = 10**9


def archive(topic: Topic, lake: Path, at_a_time: int = 600) -> ArchiveMetrics:
    metrics = ArchiveMetrics()
    one = archiver(topic, lake, metrics, at_a_time)
    one.run(lambda: False, drain=True)
    return metrics


def archiver(topic: Topic, lake: Path, metrics: ArchiveMetrics, at_a_time: int) -> Archive:
    """An archive that makes a file of whatever it reads at a time."""
    member, rolling = Member(topic, at_a_time=at_a_time), Rolling(messages=1)
    return Archive(member, Arrivals(str(lake)), rolling, lambda: 0.0, metrics)


def in_days(lake: Path) -> list[Event]:
    frames = [read_day(lake / "events", day) for day in stored_days(lake / "events")]
    return list(events_of(pl.concat(frames)))


def load(lake: Path, store: MemoryStore, horizon_seconds: int = 3600) -> MaterializeReport:
    return materialize(
        lake / "events",
        Arrivals(str(lake)),
        store,
        horizon_seconds=horizon_seconds,
        memory_bytes=GIGABYTE,
    )


def test_every_event_is_kept_with_its_place_and_its_time_of_arrival(tmp_path: Path) -> None:
    topic = Topic(2, arrived=1_600_000_000.5).extend(shop(300))
    topic.send(0, b"poison")
    metrics = archive(topic, tmp_path)
    arrivals = Arrivals(str(tmp_path))
    frames = [arrivals.read(one) for ranges in arrivals.ranges().values() for one in ranges]
    kept = pl.concat(frames)
    assert kept.height == 300
    assert kept.select("partition", "offset").is_unique().all()
    assert kept["arrived"].dt.epoch("ms").unique().to_list() == [1_600_000_000_500]
    assert metrics.registry.get_sample_value("cartwise_archive_refused_total") == 1
    assert arrivals.ranges()["shop.events/0"][-1].end == len(topic.messages["shop.events/0"])


def test_a_range_is_the_same_file_whoever_writes_it(tmp_path: Path) -> None:
    topic = Topic(1, arrived=1_600_000_000.0).extend(shop(100))
    for name in ("one", "other"):
        archive(topic, tmp_path / name)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


def test_an_archive_that_died_goes_on_after_its_last_file(tmp_path: Path) -> None:
    events, topic = shop(300), Topic(1)
    topic.extend(events)
    dying = archiver(topic, tmp_path, ArchiveMetrics(), at_a_time=70)
    for _ in range(3):
        dying.step()
    before = files_of(tmp_path)
    archive(topic, tmp_path)
    assert files_of(tmp_path).items() > before.items()
    publish(Arrivals(str(tmp_path)), tmp_path / "events")
    assert in_days(tmp_path) == events


def test_overlapping_ranges_count_once(tmp_path: Path) -> None:
    topic = Topic(1).extend(shop(50))
    archive(topic, tmp_path, at_a_time=10)
    archive(topic, tmp_path / "zombie", at_a_time=15)
    for file in (tmp_path / "zombie/arrivals/shop.events").iterdir():
        file.rename(tmp_path / "arrivals/shop.events" / file.name)
    assert publish(Arrivals(str(tmp_path)), tmp_path / "events") == 50
    assert in_days(tmp_path) == shop(50)


def test_the_days_of_a_stream_remember_no_scratch_files(tmp_path: Path) -> None:
    archive(Topic(1).extend(shop(10)), tmp_path)
    publish(Arrivals(str(tmp_path)), tmp_path / "events")
    assert held_files(tmp_path / "events") == ()


def test_days_hold_the_distinct_events_and_publishing_again_changes_nothing(tmp_path: Path) -> None:
    events = shop(200)
    archive(Topic(3).extend([*events, *events[:20]]), tmp_path)
    arrivals = Arrivals(str(tmp_path))
    assert publish(arrivals, tmp_path / "events") == 200
    assert sorted(in_days(tmp_path), key=repr) == sorted(events, key=repr)
    before = files_of(tmp_path)
    assert publish(arrivals, tmp_path / "events") == 0
    assert files_of(tmp_path) == before


def test_a_damaged_day_is_published_again_as_the_error_says(tmp_path: Path) -> None:
    archive(Topic(2).extend(shop(200)), tmp_path)
    arrivals, days = Arrivals(str(tmp_path)), tmp_path / "events"
    publish(arrivals, days)
    damaged = day_path(days, stored_days(days)[0])
    before = damaged.read_bytes()
    flip_bit(damaged, 100)
    with pytest.raises(
        InputError, match=r"delete events.parquet, and nothing else.*'cartwise archive --drain'"
    ):
        load(tmp_path, MemoryStore(SPECIFICATION))
    damaged.unlink()
    with pytest.raises(InputError, match=r"is gone.*'cartwise archive --drain'"):
        load(tmp_path, MemoryStore(SPECIFICATION))
    publish(arrivals, days)
    assert damaged.read_bytes() == before
    load(tmp_path, MemoryStore(SPECIFICATION))


def test_an_interrupted_publication_is_finished_and_not_materialized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = shop(100)
    archive(Topic(1).extend(events), tmp_path)
    arrivals = Arrivals(str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "ingest", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publish(arrivals, tmp_path / "events")
    with pytest.raises(InputError, match="is being published, or that was interrupted"):
        load(tmp_path, MemoryStore(SPECIFICATION))
    publish(arrivals, tmp_path / "events")
    assert Published.read(arrivals) == Published({"shop.events/0": 100})
    assert in_days(tmp_path) == events


def test_a_disk_that_turns_out_full_at_last_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        archive(Topic(1).extend(shop(10)), tmp_path)
    assert Arrivals(str(tmp_path)).ranges() == {}


def test_only_one_publishes_at_a_time(tmp_path: Path) -> None:
    archive(Topic(1).extend(shop(10)), tmp_path)
    arrivals = Arrivals(str(tmp_path))
    with locked(tmp_path, "publication"), pytest.raises(OutputError, match="wait for it"):
        publish(arrivals, tmp_path / "events")
    assert publish(arrivals, tmp_path / "events") == 10


def test_states_that_nobody_can_see_any_more_are_not_loaded(tmp_path: Path) -> None:
    # Visits are forgotten after two weeks.
    old, new = view(0, user_session="old"), view(30 * 86_400, user_session="new")
    topic, store = Topic(1).extend([old, new]), MemoryStore(SPECIFICATION)
    archive(topic, tmp_path)
    publish(Arrivals(str(tmp_path)), tmp_path / "events")
    load(tmp_path, store)
    names = [entity.name for entity in SPECIFICATION.entities]
    keys = dict(zip(names, Live(SPECIFICATION).keys(live(old)), strict=True))
    assert store.read([keys["session"], keys["session_product"]]) == [None, None]
    assert None not in store.read(Live(SPECIFICATION).keys(live(new)))
    assert sum(store.sweep(new.event_time)) == 0


class Watched(Partition):
    """Knows the most ids that any of its kind remembered."""

    most = 0

    def judge(self, event_id: bytes, event_time: int) -> Verdict:
        verdict = super().judge(event_id, event_time)
        Watched.most = max(Watched.most, len(self._buckets))
        return verdict


def test_ids_out_of_the_horizon_are_let_go_while_arrivals_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(Topic(1).extend(shop(400)), tmp_path, at_a_time=20)
    monkeypatch.setattr(recollection, "Partition", Watched)
    publish(Arrivals(str(tmp_path)), tmp_path / "events")
    assert 0 < Watched.most < 100


def test_what_the_stream_knows_is_taken_further_and_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Range] = []

    class Watching(Arrivals):
        def read(self, where: Range) -> pl.DataFrame:
            read.append(where)
            return super().read(where)

    events, topic, arrivals = shop(400), Topic(1), Watching(str(tmp_path))
    for part in (events[:200], events[180:]):
        read.clear()
        topic.extend(part)
        archive(topic, tmp_path, at_a_time=50)
        publish(arrivals, tmp_path / "events")
        # Once for the days, and once for what is known of them.
        assert [one.start for one in sorted(read)[::2]] == [one.start for one in sorted(read)[1::2]]
        assert min(one.start for one in read) == len(topic.messages["shop.events/0"]) - len(part)
    monkeypatch.setattr(Arrivals, "read", lambda *_: pytest.fail("arrivals are read again"))
    monkeypatch.setattr(Arrivals, "ranges", lambda _: pytest.fail("arrivals are listed"))
    known, followed = MemoryStore(SPECIFICATION), MemoryStore(SPECIFICATION)
    load(tmp_path, known)
    drain(worker(Member(topic), followed))
    assert known.positions() == followed.positions()


def test_what_is_published_may_be_moved_away_but_for_the_last_file(tmp_path: Path) -> None:
    events, topic, arrivals = shop(400), Topic(2), Arrivals(str(tmp_path))
    for part in (events[:200], events[180:]):
        for ranges in arrivals.ranges().values():
            for one in ranges[:-1]:
                (tmp_path / "arrivals" / one.path).unlink()
        topic.extend(part)
        archive(topic, tmp_path, at_a_time=50)
        publish(arrivals, tmp_path / "events")
    known, followed = MemoryStore(SPECIFICATION), MemoryStore(SPECIFICATION)
    load(tmp_path, known)
    drain(worker(Member(topic), followed))
    assert known.positions() == followed.positions()
    require_states(known, events)
    with pytest.raises(InputError, match="lack the offsets 0 to"):
        load(tmp_path, known, horizon_seconds=60)


def test_with_another_horizon_all_arrivals_are_read(tmp_path: Path) -> None:
    events, topic = shop(400), Topic(2)
    topic.extend([*events, *events[100:120]])
    archive(topic, tmp_path)
    publish(Arrivals(str(tmp_path)), tmp_path / "events", horizon_seconds=600)
    known, followed = MemoryStore(SPECIFICATION), MemoryStore(SPECIFICATION)
    load(tmp_path, known, horizon_seconds=10**6)
    drain(worker(Member(topic), followed, horizon_seconds=10**6))
    assert known.positions() == followed.positions()
    assert sum(position.duplicates for position in known.positions().values()) == 20


def test_what_a_lake_knows_must_be_readable(tmp_path: Path) -> None:
    archive(Topic(1).extend(shop(10)), tmp_path)
    publish(Arrivals(str(tmp_path)), tmp_path / "events")
    (tmp_path / "arrivals" / recollection.FILE).write_text("rubbish")
    with pytest.raises(InputError, match="delete it: it will be made again"):
        load(tmp_path, MemoryStore(SPECIFICATION))


def test_a_missing_file_of_arrivals_is_told(tmp_path: Path) -> None:
    archive(Topic(1).extend(shop(300)), tmp_path, at_a_time=70)
    files = sorted((tmp_path / "arrivals/shop.events").iterdir())
    assert len(files) > 2
    files[1].unlink()
    with pytest.raises(InputError, match=r"arrivals of shop\.events/0 lack the offsets"):
        publish(Arrivals(str(tmp_path)), tmp_path / "events")


def test_arrivals_that_are_gone_are_told_before_anything_is_loaded(tmp_path: Path) -> None:
    archive(Topic(1).extend(shop(50)), tmp_path)
    publish(Arrivals(str(tmp_path)), tmp_path / "events")
    shutil.rmtree(tmp_path / "arrivals/shop.events")
    store = MemoryStore(SPECIFICATION)
    with pytest.raises(InputError, match=r"no files of shop\.events/0 any more"):
        load(tmp_path, store, horizon_seconds=60)
    store.check()


def test_a_lake_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    arrivals = Arrivals("s3://bucket/lake", f"http://127.0.0.1:{free_port()}")
    for ask in (arrivals.ranges, lambda: Published.read(arrivals)):
        with pytest.raises(InputError, match="that its server answers"):
            ask()


def test_the_stream_takes_over_from_materialized_states_without_gap_or_overlap(
    tmp_path: Path,
) -> None:
    events, topic = shop(500), Topic(3)
    topic.extend(events[:300])
    archive(topic, tmp_path)
    publish(Arrivals(str(tmp_path)), tmp_path / "events")
    store = MemoryStore(SPECIFICATION)
    report = load(tmp_path, store)
    assert report.events == 300
    # Of what comes next, some was seen before the take-over.
    topic.extend([*events[280:300], *events[300:]])
    drain(worker(Member(topic), store))
    require_states(store, events)
    positions = store.positions().values()
    assert sum(position.applied for position in positions) == 500
    assert sum(position.duplicates for position in positions) == 20


def test_an_emptied_store_rebuilt_and_caught_up_equals_the_one_before(tmp_path: Path) -> None:
    events, topic = shop(400), Topic(2)
    before = MemoryStore(SPECIFICATION)
    topic.extend([*events[:250], *events[100:120]])
    drain(worker(Member(topic), before))
    archive(topic, tmp_path)
    publish(Arrivals(str(tmp_path)), tmp_path / "events")
    topic.extend(events[250:])
    drain(worker(Member(topic), before))
    rebuilt = MemoryStore(SPECIFICATION)
    load(tmp_path, rebuilt)
    drain(worker(Member(topic), rebuilt))
    assert rebuilt.positions() == before.positions()
    assert {s: rebuilt.resume(s).seen.keys() for s in topic.messages} == {
        s: before.resume(s).seen.keys() for s in topic.messages
    }
    require_states(rebuilt, events)


class Meddling(Silent):
    """A progress under which somebody publishes while states are loaded."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    @contextmanager
    def task(self, name: str, total: int | None, unit: str) -> Iterator[Advance]:
        if name == "load":
            Published({"shop.events/0": 999}).write(self._arrivals)
        yield lambda _done: None


def test_a_lake_that_is_published_into_meanwhile_is_not_taken_for_loaded(tmp_path: Path) -> None:
    archive(Topic(1).extend(shop(50)), tmp_path)
    arrivals, store = Arrivals(str(tmp_path)), MemoryStore(SPECIFICATION)
    publish(arrivals, tmp_path / "events")
    with pytest.raises(InputError, match="was added to meanwhile"):
        materialize(
            tmp_path / "events",
            arrivals,
            store,
            horizon_seconds=3600,
            memory_bytes=GIGABYTE,
            progress=Meddling(arrivals),
        )
    with pytest.raises(StoreIncomplete):
        store.check()
