"""What every store promises, held against each of them."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from cartwise.errors import DamagedState, FingerprintMismatch, StaleOffset, StoreIncomplete
from cartwise.events import SECONDS_PER_DAY
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import Specification
from cartwise.store import Advance, Merge, Position, Replacement, Resumption
from tests.features.live_events import LIVE
from tests.store.batches import EVENTS, SOURCE, add, batch, deltas, require_same, states_of
from tests.store.places import Place

OTHER = Specification(SPECIFICATION.entities, ())
ONE = EVENTS[:1]


def later(days: int) -> list:
    return [event._replace(time=event.time + days * SECONDS_PER_DAY) for event in EVENTS[:10]]


def test_an_empty_store_has_nothing(place: Place) -> None:
    store = place.open()
    assert store.read([]) == []
    assert store.read(LIVE.keys(EVENTS[0])) == [None] * len(LIVE.keys(EVENTS[0]))
    assert store.positions() == {}
    assert store.resume(SOURCE) == Resumption()
    assert states_of(store) == {}
    assert sum(store.sweep(2**40)) == 0
    store.check()


def test_what_was_merged_is_read_in_the_order_asked(place: Place) -> None:
    added = deltas(EVENTS)
    place.open().merge(Merge(added, []))
    keys = [*reversed(added), bytes(17)[:16] + b"x"]
    assert place.open().read(keys) == [*(added[key] for key in keys[:-1]), None]


def test_merging_adds_to_the_bit_as_packed_states_do(place: Place) -> None:
    store, parts = place.open(), [EVENTS[:40], EVENTS[40:80], EVENTS[80:]]
    add(store, *parts)
    expected: dict[bytes, bytes] = {}
    for part in map(deltas, parts):
        olds = [expected.get(key) for key in part]
        merged = LIVE.packing.merge(list(part), olds, list(part.values()))
        expected.update(zip(part, merged, strict=True))
    assert states_of(store) == expected


def test_the_order_of_disjoint_batches_does_not_matter(place: Place) -> None:
    store, parts = place.open(), [EVENTS[i : i + 11] for i in range(0, len(EVENTS), 11)]
    add(store, *(parts[i] for i in np.random.default_rng(1).permutation(len(parts))))
    require_same(states_of(store), deltas(EVENTS))


@pytest.mark.parametrize("days", [1, 28, 35, 90, 4000, 20_000])
@pytest.mark.parametrize("order", [1, -1])
def test_landmarks_are_moved_whichever_side_is_older(place: Place, days: int, order: int) -> None:
    store, parts = place.open(), [EVENTS[:10], later(days)]
    add(store, *parts[::order])
    require_same(states_of(store), deltas([*EVENTS[:10], *later(days)]))


def test_offsets_move_with_the_states(place: Place) -> None:
    store = place.open()
    store.merge(batch(EVENTS[:7]))
    store.merge(batch(EVENTS[7:9], 7))
    expected = Position(9, EVENTS[8].time, 9)
    assert store.positions() == {SOURCE: expected}
    assert place.open().resume(SOURCE).position == expected


@pytest.mark.parametrize("start", [0, 5, 9])
def test_a_batch_that_begins_elsewhere_changes_nothing(place: Place, start: int) -> None:
    store = place.open()
    store.merge(batch(EVENTS[:7]))
    before = states_of(store)
    with pytest.raises(StaleOffset, match=SOURCE):
        store.merge(batch(EVENTS[:7], start))
    assert states_of(store) == before
    assert store.positions() == {SOURCE: Position(7, EVENTS[6].time, 7)}


def test_one_stale_source_stops_all_of_a_batch(place: Place) -> None:
    store = place.open()
    store.merge(batch(EVENTS[:7]))
    fresh = Advance("events/1", None, Position(3), {1: bytes(16)})
    stale = Advance(SOURCE, 6, Position(8))
    with pytest.raises(StaleOffset):
        store.merge(Merge(deltas(ONE), [fresh, stale]))
    assert set(store.positions()) == {SOURCE}
    assert store.resume("events/1") == Resumption()


def test_sources_move_side_by_side(place: Place) -> None:
    store, sources = place.open(), ["events/0", "events/1", "ä/2"]
    for source in sources:
        store.merge(batch(ONE, source=source))
    assert set(store.positions()) == set(sources)


def test_counts_and_large_offsets_are_kept(place: Place) -> None:
    position = Position(2**62, 2**40, 2**53, 17, 3)
    place.open().merge(Merge({}, [Advance(SOURCE, None, position)]))
    assert place.open().positions() == {SOURCE: position}


def test_ids_are_appended_and_forgotten_by_bucket(place: Place) -> None:
    store, a, b, c = place.open(), *(bytes([i]) * 16 for i in range(3))
    store.merge(Merge({}, [Advance(SOURCE, None, Position(1), {7: a, 8: b})]))
    store.merge(Merge({}, [Advance("other", None, Position(1), {7: c})]))
    store.merge(Merge({}, [Advance(SOURCE, 1, Position(2), {8: c, 9: a})]))
    assert store.resume(SOURCE) == Resumption(Position(2), {7: a, 8: b + c, 9: a})
    store.merge(Merge({}, [Advance(SOURCE, 2, Position(3), {}, oldest_bucket=8)]))
    assert place.open().resume(SOURCE) == Resumption(Position(3), {8: b + c, 9: a})
    assert store.resume("other").seen == {7: c}


def test_a_stale_batch_leaves_no_ids(place: Place) -> None:
    store = place.open()
    store.merge(Merge({}, [Advance(SOURCE, None, Position(5), {7: bytes(16)})]))
    with pytest.raises(StaleOffset):
        store.merge(Merge({}, [Advance(SOURCE, 4, Position(6), {7: bytes(16)}, 8)]))
    assert store.resume(SOURCE).seen == {7: bytes(16)}


def test_a_store_of_another_specification_is_refused(place: Place) -> None:
    add(place.open(), ONE)
    other = place.open_as(OTHER)
    with pytest.raises(FingerprintMismatch, match=SPECIFICATION.fingerprint):
        other.merge(Merge({}, []))
    with pytest.raises(FingerprintMismatch, match=SPECIFICATION.fingerprint):
        other.read(LIVE.keys(EVENTS[0]))
    with pytest.raises(FingerprintMismatch, match=SPECIFICATION.fingerprint):
        other.check()


def test_a_delta_of_another_specification_is_refused(place: Place) -> None:
    store = place.open()
    add(store, ONE)
    before = states_of(store)
    foreign = bytes.fromhex(OTHER.fingerprint) + bytes(8)
    mixed = deltas(ONE) | {LIVE.keys(EVENTS[0])[-1]: foreign}
    with pytest.raises(FingerprintMismatch):
        store.merge(Merge(mixed, [Advance(SOURCE, None, Position(1))]))
    assert states_of(store) == before
    assert store.positions() == {}


def test_a_delta_that_is_cut_short_is_refused_with_its_batch(place: Place) -> None:
    store = place.open()
    add(store, ONE)
    before = states_of(store)
    cut = deltas(ONE)
    cut[list(cut)[-1]] = cut[list(cut)[-1]][:-8]
    with pytest.raises(DamagedState):
        store.merge(Merge(cut, [Advance(SOURCE, None, Position(1))]))
    assert states_of(store) == before
    assert store.positions() == {}


def test_states_are_replaced_where_they_are_still_the_old_ones(place: Place) -> None:
    store, wanted = place.open(), deltas(EVENTS)
    add(store, EVENTS[:60])
    before, positions = states_of(store), store.positions()
    # In no order: a state that later events did not touch is still the old one.
    changed, gone, *_ = (key for key, state in before.items() if state != wanted[key])
    olds = {**before, changed: wanted[changed], gone: None}
    other = store.replace([Replacement(key, olds.get(key), new) for key, new in wanted.items()])
    assert set(other) == {changed, gone}
    assert states_of(place.open()) == {**wanted, changed: before[changed], gone: before[gone]}
    assert store.positions() == positions
    assert store.replace([Replacement(changed, before[changed], wanted[changed])]) == []
    assert store.replace([]) == []


def test_states_are_replaced_in_no_store_that_is_another_or_being_loaded(place: Place) -> None:
    [(key, state)] = list(deltas(ONE).items())[:1]
    place.open().replace([Replacement(key, None, state)])
    with pytest.raises(FingerprintMismatch, match=SPECIFICATION.fingerprint):
        place.open_as(OTHER).replace([Replacement(key, state, state)])
    with pytest.raises(KeyboardInterrupt):
        place.open().load(interrupted(), {})
    with pytest.raises(StoreIncomplete):
        place.open().replace([Replacement(key, None, state)])


def test_a_load_replaces_everything(place: Place) -> None:
    store, wanted = place.open(), deltas(EVENTS[:20])
    store.merge(batch(EVENTS[20:]))
    sources = {"lake/3": Resumption(Position(20, EVENTS[19].time, 20), {4: bytes(32)})}
    assert store.load([list(wanted.items())[:5], list(wanted.items())[5:]], sources) == len(wanted)
    assert states_of(store) == wanted
    assert store.positions() == {"lake/3": sources["lake/3"].position}
    assert store.resume("lake/3") == sources["lake/3"]
    store.merge(batch(EVENTS[20:21], 20, "lake/3"))


def test_the_stream_goes_on_from_a_load_as_if_it_had_come_all_the_way(place: Place) -> None:
    store = place.open()
    store.load([list(deltas(EVENTS[:60]).items())], {SOURCE: Resumption(Position(60))})
    store.merge(batch(EVENTS[60:], 60))
    require_same(states_of(store), deltas(EVENTS))


def interrupted() -> Iterator[list[tuple[bytes, bytes]]]:
    yield list(deltas(ONE).items())
    raise KeyboardInterrupt


def test_an_interrupted_load_is_seen_and_can_be_repeated(place: Place) -> None:
    store = place.open()
    with pytest.raises(KeyboardInterrupt):
        store.load(interrupted(), {})
    for use in (
        lambda: store.read([bytes(17)]),
        lambda: store.merge(Merge({}, [])),
        lambda: place.open().check(),
    ):
        with pytest.raises(StoreIncomplete):
            use()
    store.load([list(deltas(EVENTS).items())], {})
    assert states_of(store) == deltas(EVENTS)


def test_of_two_loads_at_once_the_later_one_holds(place: Place) -> None:
    first, second = place.open(), place.open()

    def overtaken() -> Iterator[list[tuple[bytes, bytes]]]:
        yield list(deltas(EVENTS[:5]).items())
        second.load([list(deltas(EVENTS[5:9]).items())], {})
        yield list(deltas(EVENTS[9:12]).items())

    with pytest.raises(StoreIncomplete, match="another load"):
        first.load(overtaken(), {SOURCE: Resumption(Position(12))})
    assert states_of(second) == deltas(EVENTS[5:9])
    assert second.positions() == {}


def test_many_states_are_scanned_once_each(place: Place) -> None:
    [(key, state)] = list(deltas(ONE).items())[-1:]
    keys = [key[:1] + i.to_bytes(16, "little") for i in range(25_000)]
    place.open().load([[(one, state) for one in keys]], {})
    scanned = [one for some in place.open().scan() for one, _ in some]
    assert sorted(scanned) == sorted(keys)
    assert place.open().read(keys) == [state] * len(keys)


def test_reading_without_waiting_gives_the_same(place: Place) -> None:
    add(place.open(), EVENTS)

    async def read_twice() -> list[list[bytes | None]]:
        store = place.open_async()
        await store.check()
        keys = [LIVE.keys(event) for event in EVENTS[-5:]]
        found = await asyncio.gather(*(store.read(some) for some in keys))
        await store.close()
        return found

    expected = [place.open().read(LIVE.keys(event)) for event in EVENTS[-5:]]
    assert asyncio.run(read_twice()) == expected
    assert None not in expected[0]


def test_reading_without_waiting_refuses_what_reading_does(place: Place) -> None:
    with pytest.raises(KeyboardInterrupt):
        place.open().load(interrupted(), {})

    async def read() -> None:
        store = place.open_async()
        try:
            await store.read(LIVE.keys(EVENTS[0]))
        finally:
            await store.close()

    with pytest.raises(StoreIncomplete):
        asyncio.run(read())
