"""Stores forget what nobody can see any more, and nothing else."""

from pathlib import Path

from cartwise.features.catalogue import SPECIFICATION
from tests.features.live_events import LIVE
from tests.store.batches import EVENTS, add, states_of
from tests.store.places import Place, memory_place, place_at

NOW = EVENTS[-1].time


def test_a_sweep_drops_what_has_expired(tmp_path: Path) -> None:
    _require_swept(memory_place())
    with place_at(f"sqlite:///{tmp_path / 'states.db'}") as place:
        _require_swept(place)


def _require_swept(place: Place) -> None:
    store = place.open()
    add(store, EVENTS)
    before = states_of(store)
    time = NOW + SPECIFICATION.entity("session").time_to_live_seconds
    expiries = LIVE.packing.expiries(list(before), list(before.values()))
    living = {key for key, expiry in zip(before, expiries, strict=True) if expiry >= time}
    assert sum(store.sweep(time)) == len(before) - len(living)
    assert 0 < len(living) < len(before)
    assert set(states_of(store)) == living
