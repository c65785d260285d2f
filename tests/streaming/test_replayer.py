"""Replay sends what ingest would keep, in its order, and goes on where it was interrupted."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cartwise.data.ingest import ingest
from cartwise.errors import InputError, StreamError
from cartwise.streaming import replayer
from cartwise.streaming.replayer import replay
from cartwise.wire import Event

HEADER = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
)


def line(second: int, price: str = "9.99", user: int = 1) -> str:
    return f"2019-11-01 00:00:{second:02d} UTC,view,7,1,,b,{price},{user},s"


def write(file: Path, *lines: str) -> Path:
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    return file


@dataclass
class Topic:
    """A topic in memory that may refuse all events after some."""

    takes: int = 10**9
    sent: list[Event] = field(default_factory=list)

    def send_event(self, event: Event) -> None:
        self.sent.append(event)

    def poll(self) -> None:
        return None

    def flush(self) -> None:
        if len(self.sent) > self.takes:
            raise StreamError("gone")

    @property
    def seconds(self) -> list[int]:
        return [event.event_time % 60 for event in self.sent]


def test_events_are_sent_in_the_order_of_their_files(tmp_path: Path) -> None:
    later = write(tmp_path / "b.csv", line(3), line(2))
    first = write(tmp_path / "a.csv", line(0), line(1), line(1))
    topic = Topic()
    report = replay([first, later], topic, "t")
    assert topic.seconds == [0, 1, 1, 3, 2]
    assert report.to_dict() == {"sent": 5, "skipped": 0, "refused": 0, "by_rule": {}}


def test_rows_that_ingest_refuses_are_counted_and_not_sent(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", line(0), line(1, price="-1"), "broken,line", line(2))
    topic = Topic()
    report = replay([log], topic, "t")
    assert topic.seconds == [0, 2]
    assert report.by_rule == {"fields_match_header": 1, "price_not_negative": 1}
    assert (report.sent, report.refused) == (2, 2)


def test_a_lake_is_replayed_without_its_quarantine(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", line(1), line(0), line(2, price="x"))
    ingest([log], tmp_path / "lake")
    topic = Topic()
    assert replay([tmp_path / "lake"], topic, "t").refused == 0
    assert topic.seconds == [0, 1]


def test_an_interrupted_replay_goes_on_after_what_was_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replayer, "_SECONDS_BETWEEN_MARKS", 0.0)
    logs = [write(tmp_path / f"{i}.csv", *(line(10 * i + j) for j in range(10))) for i in range(3)]
    bookmark, first, second = tmp_path / "bookmark", Topic(takes=14), Topic()
    with pytest.raises(StreamError):
        replay(logs, first, "t", resume=bookmark)
    report = replay(logs, second, "t", resume=bookmark)
    assert second.seconds == list(range(14, 30))
    assert (report.skipped, report.sent) == (14, 16)
    assert replay(logs, Topic(), "t", resume=bookmark).sent == 0


def test_a_bookmark_of_another_replay_is_refused(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.csv", line(0)), write(tmp_path / "b.csv", line(0))
    bookmark = tmp_path / "bookmark"
    replay([one], Topic(), "t", resume=bookmark)
    for paths, topic in (([other], "t"), ([one], "u")):
        with pytest.raises(InputError, match="belongs to a replay of other files"):
            replay(paths, Topic(), topic, resume=bookmark)
    bookmark.write_text("[]")
    with pytest.raises(InputError, match="is no bookmark"):
        replay([one], Topic(), "t", resume=bookmark)
