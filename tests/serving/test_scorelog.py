import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from cartwise import wire
from cartwise.errors import OutputError
from cartwise.serving.breaker import Breaker, Patience
from cartwise.serving.rates import Buckets, Rate
from cartwise.serving.scorelog import ScoreFiles, ScoreLog
from tests.serving.worlds import NOW, Kept


def a_score(number: int) -> wire.Score:
    return wire.Score(
        event_id=f"{number:032x}",
        user_id=number,
        product_id=1,
        user_session=None,
        cart_time="2026-01-01T00:00:00Z",
        probability=0.5,
        model_version="v",
        fingerprint="f",
        vector=b"",
        source="api",
    )


class Stuck(Kept):
    """A sink that takes as long as somebody wants."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def write(self, scores: Sequence[wire.Score]) -> None:
        self.go_on.wait(10)
        super().write(scores)


def test_all_scores_are_kept_in_order_until_the_end() -> None:
    kept = Kept()
    log = ScoreLog(kept, pause=0.001)
    log.start()
    for number in range(5000):
        log.add(a_score(number))
    log.close(10)
    assert [score.user_id for score in kept.scores] == list(range(5000))
    assert (log.tally.kept, log.tally.dropped) == (5000, 0)


def test_what_the_queue_cannot_take_is_counted() -> None:
    stuck = Stuck()
    log = ScoreLog(stuck, length=100, pause=0.001)
    log.start()
    for number in range(150):
        log.add(a_score(number))
    assert log.tally.dropped == 50
    stuck.go_on.set()
    log.close(10)
    assert log.tally.kept + log.tally.dropped == 150
    assert len(stuck.scores) == log.tally.kept == 100


def refused(kept: Kept) -> ScoreLog:
    """A log whose sink has refused the one score that it was given."""
    kept.full = True
    log = ScoreLog(kept, pause=0.001)
    log.start()
    log.add(a_score(1))
    while log.tally.failure is None:
        pass
    return log


def test_a_sink_that_is_away_loses_nothing_that_the_queue_holds() -> None:
    kept = Kept()
    log = refused(kept)
    kept.full = False
    while log.tally.kept == 0:
        pass
    log.close(10)
    assert (len(kept.scores), log.tally.failure) == (1, None)


def test_a_sink_that_breaks_in_a_new_way_is_told_of_and_tried_again() -> None:
    class Broken(Kept):
        def write(self, scores: Sequence[wire.Score]) -> None:
            if self.full:
                raise ZeroDivisionError
            super().write(scores)

    kept = Broken()
    log = refused(kept)
    assert log.tally.failure == "ZeroDivisionError"
    kept.full = False
    log.close(10)
    assert (len(kept.scores), log.tally.kept) == (1, 1)


def test_what_is_left_at_the_end_counts_as_dropped() -> None:
    kept = Kept()
    kept.full = True
    log = ScoreLog(kept, pause=0.001)
    log.start()
    for number in range(7):
        log.add(a_score(number))
    log.close(10)
    assert (log.tally.kept, log.tally.dropped) == (0, 7)


def test_files_hold_a_line_of_json_per_score(tmp_path: Path) -> None:
    files = ScoreFiles(tmp_path / "scores", lambda: NOW)
    files.write([a_score(1), a_score(2)])
    files.write([a_score(3)])
    lines = (tmp_path / "scores" / "scores-2026-01-01.jsonl").read_text().splitlines()
    assert [json.loads(line)["user_id"] for line in lines] == [1, 2, 3]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "scores").write_text("a file")
    with pytest.raises(OutputError):
        ScoreFiles(tmp_path / "scores", lambda: NOW).write([a_score(1)])


def test_a_breaker_lets_one_call_try_after_each_pause() -> None:
    clock = [0.0]
    breaker = Breaker(Patience(failures=2, pause_seconds=5.0), lambda: clock[0])
    breaker.failed()
    assert breaker.may_try()
    breaker.failed()
    assert not breaker.may_try()
    clock[0] = 5.0
    assert [breaker.may_try(), breaker.may_try()] == [True, False]
    breaker.failed()
    clock[0] = 10.0
    assert breaker.may_try()
    breaker.succeeded()
    assert [breaker.may_try(), breaker.may_try()] == [True, True]


def test_a_bucket_fills_at_its_rate_and_no_further_than_its_burst() -> None:
    clock = [0.0]
    buckets = Buckets(Rate(per_second=2.0, burst=3), lambda: clock[0])
    assert [buckets.wait_seconds("a") for _ in range(4)] == [0, 0, 0, 0.5]
    clock[0] = 0.5
    assert [buckets.wait_seconds("a") for _ in range(2)] == [0, 0.5]
    clock[0] = 100.0
    assert [buckets.wait_seconds("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_what_is_charged_beyond_a_bucket_is_paid_for_before_the_next() -> None:
    clock = [0.0]
    buckets = Buckets(Rate(per_second=2.0, burst=3), lambda: clock[0])
    assert buckets.wait_seconds("a") == 0
    buckets.charge("a", 9)
    assert buckets.wait_seconds("a") == 4
    assert buckets.wait_seconds("b") == 0
    clock[0] = 4.0
    assert [buckets.wait_seconds("a") for _ in range(2)] == [0, 0.5]


def test_a_debt_that_is_paid_by_now_refuses_no_charge() -> None:
    clock = [0.0]
    buckets = Buckets(Rate(per_second=10.0, burst=20), lambda: clock[0])
    assert [buckets.wait_seconds("a") for _ in range(2)] == [0, 0]
    assert buckets.charge("a", 499) == 0
    assert buckets.charge("a", 2) == pytest.approx(48.2)
    clock[0] = 40.0
    assert buckets.charge("a", 2) == pytest.approx(8.2)
    clock[0] = 60.0
    assert buckets.charge("a", 2) == 0
    assert [buckets.wait_seconds("a") for _ in range(19)] == [*([0] * 18), pytest.approx(0.1)]
