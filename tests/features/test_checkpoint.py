"""States on disk come back to the bit, and never for another specification."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from cartwise.errors import FingerprintMismatch, InputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.checkpoint import Checkpoint, save
from cartwise.features.replay import Replay
from cartwise.features.shards import EVERYTHING
from tests.logs import frame, logs
from tests.reference import Event

HEAD = Checkpoint(SPECIFICATION.fingerprint, 0, 0, "history")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs())
def test_states_come_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, log: list[Event]
) -> None:
    folder = tmp_path_factory.mktemp("states")
    replay = Replay(SPECIFICATION)
    replay.values(frame(log), np.arange(len(log)))
    save(folder, SPECIFICATION, EVERYTHING, replay.snapshot())
    loaded = HEAD.load(folder, SPECIFICATION, EVERYTHING)
    for name, parts in replay.snapshot().items():
        for ours, theirs in zip(loaded[name], parts, strict=True):
            assert ours.keys.tobytes() == theirs.keys.tobytes()
            assert ours.states.tobytes() == theirs.states.tobytes()


def test_another_specification_is_refused(tmp_path: Path) -> None:
    other = replace(SPECIFICATION, derived=())
    with pytest.raises(FingerprintMismatch, match="cartwise features"):
        HEAD.load(tmp_path, other, EVERYTHING)


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert Checkpoint.read(tmp_path) is None
    HEAD.write(tmp_path)
    assert Checkpoint.read(tmp_path) == HEAD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"fingerprint": 1}',
        "[]",
        '{"fingerprint": "", "sessions": -1, "users": 0}',
    ],
)
def test_a_damaged_head_is_explained(tmp_path: Path, text: str) -> None:
    (tmp_path / "states.json").write_text(text)
    with pytest.raises(InputError, match=r"states\.json is damaged .*: delete"):
        Checkpoint.read(tmp_path)


def test_damaged_states_are_explained(tmp_path: Path) -> None:
    save(tmp_path, SPECIFICATION, EVERYTHING, Replay(SPECIFICATION).snapshot())
    file = tmp_path / EVERYTHING.name / "user.npz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"states in .*user"):
        HEAD.load(tmp_path, SPECIFICATION, EVERYTHING)
