"""Keys are the published hash of text, and integers as they are; tables find them again."""

import numpy as np
import polars as pl
import pytest

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.keys import KeyColumns, hash_text
from cartwise.features.layout import plan_of
from cartwise.features.table import StateTable
from tests.logs import START, frame
from tests.reference import Event

PLAN = plan_of(SPECIFICATION)


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", "00000000000000000000000000000000"),
        ("hello", "cbd8a7b341bd9b025b1e906a48ae1d19"),
        ("The quick brown fox jumps over the lazy dog", "e34bbc7bbc071b6c7a433ca9c49a9347"),
    ],
)
def test_text_is_hashed_as_published(text: str, digest: str) -> None:
    high, low = hash_text(pl.Series(["something else", text]))[1]
    assert f"{high:016x}{low:016x}" == digest


def test_a_slice_is_hashed_like_the_whole() -> None:
    words = pl.Series([f"word {i}" for i in range(50)])
    assert np.array_equal(hash_text(words[17:31]), hash_text(words)[17:31])


def keys_of(events: list[Event], entity: str) -> tuple[np.ndarray, np.ndarray]:
    described = SPECIFICATION.entity(entity)
    return KeyColumns.of(frame(events), described.key).keys(described)


@pytest.mark.parametrize("entity", [entity.name for entity in SPECIFICATION.entities])
def test_keys_differ_exactly_where_their_columns_do(entity: str) -> None:
    columns = SPECIFICATION.entity(entity).key
    events = [
        Event(START, "view", product, category, brand, 1.0, user, session)
        for product in (1, 2)
        for category in (1, 2)
        for brand in ("a", "b")
        for user in (1, 2)
        for session in ("a", "b")
    ]
    keys, known = keys_of(events, entity)
    values = [tuple(getattr(event, name) for name in columns) for event in events]
    assert known.all()
    assert len(set(map(tuple, keys.tolist()))) == len(set(values))
    by_value: dict[tuple[object, ...], tuple[int, ...]] = {}
    for value, key in zip(values, keys.tolist(), strict=True):
        assert by_value.setdefault(value, tuple(key)) == tuple(key)


def test_a_missing_value_makes_no_key() -> None:
    events = [Event(START, "view", 1, None, None, 1.0, 1, None)]
    for entity in ("category", "brand", "session", "session_product", "user_brand"):
        assert not keys_of(events, entity)[1].any()
    assert keys_of(events, "user_product")[1].all()


def test_a_table_finds_every_key_again_as_it_grows() -> None:
    rng = np.random.default_rng(1)
    table = StateTable(PLAN.entities[1], PLAN.clock)
    keys = rng.integers(0, 2**63, (60_000, 2), dtype=np.uint64)
    keys[:, 0] %= np.uint64(7)  # few different halves: tags must not be enough
    known = rng.random(len(keys)) < 0.9
    first = [table.locate(part, mask, 0) for part, mask in _parts(keys, known)]
    again = [table.locate(part, mask, 0) for part, mask in _parts(keys, known)]
    rows = np.concatenate(first)
    assert np.array_equal(rows, np.concatenate(again))
    assert np.array_equal(rows >= 0, known)
    assert len(np.unique(rows[known])) == len(np.unique(keys[known], axis=0)) == table.count


def _parts(keys: np.ndarray, known: np.ndarray) -> zip:  # type: ignore[type-arg]
    return zip(np.array_split(keys, 9), np.array_split(known, 9), strict=True)
