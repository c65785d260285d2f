"""``cartwise store``: what a person learns of the states."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import Advance, Merge, Position
from cartwise.store.comparison import compare
from tests.commands import Commands
from tests.features.live_events import LIVE
from tests.store.batches import EVENTS, SOURCE, add, batch, deltas
from tests.store.places import opened

ONE, OTHER = "sqlite:///one.db", "sqlite:///other.db"
NOW = EVENTS[-1].time


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cartwise(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(monkeypatch, capsys)


def test_info_counts_states_and_tells_the_sources(cartwise: Commands) -> None:
    with opened(ONE) as store:
        store.merge(batch(EVENTS))
    told = cartwise("store", "info", "--store-url", ONE)
    assert told.code == 0, told.err
    assert SOURCE in told.out
    facts = json.loads(cartwise("store", "info", "--store-url", ONE, "--json").out)
    assert facts["states"] == len(deltas(EVENTS))
    assert facts["entities"]["shop"]["states"] == 1
    assert facts["bytes"] == sum(len(key) + len(state) for key, state in deltas(EVENTS).items())
    assert facts["sources"][SOURCE]["applied"] == len(EVENTS)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_terminal_of_any_width_shows_every_value_whole(
    cartwise: Commands, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    source = Position(1_234_567, NOW, applied=1_200_345, duplicates=1_203, late=33_221)
    with opened(ONE) as one, opened(OTHER) as other:
        one.merge(batch(EVENTS))
        other.merge(batch(EVENTS[:-1]))
        one.merge(Merge({}, [Advance("cartwise.events/0", None, source)]))
    whole = {"1,234,567", "1,200,345", "1,203", "33,221", "cartwise.events/0", _time(NOW)}
    told = cartwise("store", "info", "--store-url", ONE).out
    assert whole | {"user_category", "session_product"} <= set(told.split())
    differences = cartwise("store", "diff", ONE, OTHER).out
    assert whole | {"last_event", "session_product"} <= set(differences.split())
    for text in (told, differences):
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_store_that_is_not_there_is_told_and_not_made(cartwise: Commands) -> None:
    for arguments in (["info", "--store-url", ONE], ["diff", ONE, OTHER]):
        told = cartwise("store", *arguments)
        assert told.code == 1
        assert "there is no store at one.db" in told.err
    assert list(Path().iterdir()) == []


def test_dump_has_every_state_as_of_one_moment(cartwise: Commands) -> None:
    with opened(ONE) as store:
        add(store, EVENTS)
    told = cartwise("store", "dump", "--store-url", ONE, "--out", "states.parquet")
    assert told.code == 0, told.err
    states = pl.read_parquet("states.parquet")
    assert states.height == len(deltas(EVENTS))
    [shop] = states.filter(entity="shop").to_dicts()
    carts = [event.time for event in EVENTS if event.kind == 1]
    assert shop["cart_7d"] == pytest.approx(sum(2 ** ((t - NOW) / (7 * 86_400)) for t in carts))
    assert shop["cart_seconds_ago"] == NOW - carts[-1]
    assert shop["cart_4h"] is None  # the shop keeps no such counter
    assert shop["last_event"].timestamp() == NOW
    users = states.filter(entity="user")["key"].to_list()
    assert sorted(users) == sorted({str(event.user_id) for event in EVENTS})


def test_dump_reads_at_the_moment_asked_for(cartwise: Commands) -> None:
    with opened(ONE) as store:
        add(store, EVENTS)
    cartwise("store", "dump", "--store-url", ONE, "--out", "s.parquet", "--at", "2100-01-01")
    assert pl.read_parquet("s.parquet")["view_7d"].max() == 0.0


def test_diff_finds_no_difference_between_two_orders(cartwise: Commands) -> None:
    with opened(ONE) as one, opened(OTHER) as other:
        one.merge(batch(EVENTS))
        add(other, EVENTS[50:], EVENTS[:50])
    told = cartwise("store", "diff", ONE, OTHER)
    assert told.code == 0, told.out
    assert "0 of" in told.out


@pytest.mark.parametrize(("left", "right"), [(ONE, OTHER), (OTHER, ONE)])
def test_diff_shows_a_missing_event(cartwise: Commands, left: str, right: str) -> None:
    with opened(ONE) as one, opened(OTHER) as other:
        one.merge(batch(EVENTS))
        other.merge(batch(EVENTS[:-1]))
    told = cartwise("store", "diff", left, right)
    assert told.code == 1
    facts = json.loads(cartwise("store", "diff", left, right, "--json").out)
    assert facts["different"] == len(LIVE.keys(EVENTS[-1]))
    assert {one["entity"] for one in facts["differences"]} >= {"shop", "user", "session_product"}
    assert sorted(facts["applied"]) == [119, 120]


def test_diff_tells_the_same_events_at_another_time_apart() -> None:
    later = [event._replace(time=event.time + 60) for event in EVENTS]
    with opened("memory://") as one, opened("memory://") as other:
        add(one, EVENTS)
        add(other, later)
        found = compare(one, other, SPECIFICATION, time=later[-1].time)
    assert found.different == found.compared
    assert {difference.name for difference in found.shown} == {"last_event"}


def test_diff_takes_no_account_of_states_that_have_expired(cartwise: Commands) -> None:
    with opened(ONE) as one, opened(OTHER) as other:
        add(one, EVENTS)
        add(other, EVENTS)
        far = NOW + SPECIFICATION.entity("session").time_to_live_seconds + 1
        for store in (one, other):
            store.merge(Merge({}, [Advance(SOURCE, None, Position(1, far))]))
        assert sum(other.sweep(far)) > 0
    assert cartwise("store", "diff", ONE, OTHER).code == 0


def test_a_difference_of_more_than_a_billionth_is_one() -> None:
    for part, different in ((5e-10, 0), (2e-9, 1)):
        with opened("memory://") as one, opened("memory://") as other:
            for store, factor in ((one, 1.0), (other, 1.0 + part)):
                state = LIVE.packing.unpack(0, [deltas(EVENTS[:1])[LIVE.keys(EVENTS[0])[0]]])
                state[:, LIVE.packing.plan.entities[0].block[EVENTS[0].kind]] *= factor
                [packed] = LIVE.packing.pack(0, state)
                store.merge(Merge({LIVE.keys(EVENTS[0])[0]: packed}, []))
            assert compare(one, other, SPECIFICATION, time=NOW).different == different


def test_a_store_that_was_not_loaded_whole_is_refused(cartwise: Commands) -> None:
    def cut_short():
        yield list(deltas(EVENTS).items())
        raise KeyboardInterrupt

    with opened(ONE) as store, pytest.raises(KeyboardInterrupt):
        store.load(cut_short(), {})
    told = cartwise("store", "info", "--store-url", ONE)
    assert told.code == 1
    assert "materialize" in told.err
