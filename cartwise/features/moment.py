"""One event at a time, compiled: its keys, and its vector from packed states."""

import numpy as np

from cartwise.features import kernel
from cartwise.features.blocks import layout_at, unpack
from cartwise.features.compiled import compiled
from cartwise.features.hashing import murmur3, salted

NUMBERS = ("product_id", "category_id", "user_id")
TEXTS = ("category_code", "brand", "user_session")
KEY_COLUMNS = (*NUMBERS, *TEXTS)
"""Columns that keys may be made of; bit i of a mask of known ones stands for the i-th."""

_KEY_BYTES = 17


@compiled()
def _write(key, entity, high, low):
    key[0] = entity
    for i in range(8):
        key[1 + i] = np.uint8(high >> np.uint64(8 * i))
        key[9 + i] = np.uint8(low >> np.uint64(8 * i))


@compiled()
def _key(columns, halves):
    if columns[0] < 0:
        return np.uint64(0), np.uint64(0)
    high, low = halves[columns[0]]
    if columns[1] < 0:
        return (high, low) if columns[0] >= len(NUMBERS) else (np.uint64(0), low)
    other = halves[columns[1], 1]
    return salted(high, low, other) if columns[0] >= len(NUMBERS) else (low, other)


@compiled()
def keys_of(columns, needed, known, product, category, user, code, brand, session):
    """Keys of an event, one after the other, of every entity whose columns are all ``known``.

    ``columns`` (entities, 2) are places in ``KEY_COLUMNS``, -1 for none; ``needed`` has their
    masks. Texts are bytes of UTF-8.
    """
    halves = np.zeros((len(KEY_COLUMNS), 2), dtype=np.uint64)
    halves[0, 1] = np.uint64(product)
    halves[1, 1] = np.uint64(category)
    halves[2, 1] = np.uint64(user)
    halves[3] = murmur3(code, 0, len(code))
    halves[4] = murmur3(brand, 0, len(brand))
    halves[5] = murmur3(session, 0, len(session))
    keys = np.empty(len(columns) * _KEY_BYTES, dtype=np.uint8)
    end = 0
    for entity in range(len(columns)):
        if needed[entity] & ~known == 0:
            high, low = _key(columns[entity], halves)
            _write(keys[end : end + _KEY_BYTES], entity, high, low)
            end += _KEY_BYTES
    return keys[:end]


@compiled()
def _unpack_all(words, fingerprint, layouts, needed, known, states):
    """Unpack one state per known entity; whether the words were just these."""
    place = 0
    for entity in range(len(needed)):
        if needed[entity] & ~known == 0:
            place = unpack(words, place, fingerprint, layouts, entity, states[entity])
            if place < 0:
                return False
    return place == len(words)


@compiled()
def _is_seen(states, layouts, witnesses, needed, known, kind, time):
    """Whether the states hold an event of this kind at or after ``time`` already."""
    for entity in witnesses:
        if needed[entity] & ~known == 0:
            return states[entity, layouts.recency[entity, kind]] >= time
    return False


@compiled()
def vector_of(
    layouts, clock, program, offsets, vector, witnesses, needed, fingerprint,
    words, known, kind, time, log_price,
):  # fmt: skip
    """Vector right after an event that ``words``, the states of its keys, may hold or not.

    ``witnesses`` are entities in whose states to look, the first that is known decides. Returns
    an empty vector if the words are not states of the event's keys.
    """
    entities = len(needed)
    states = np.empty((entities, layouts.widths.max()))
    if not _unpack_all(words, fingerprint, layouts, needed, known, states):
        return np.empty(0, dtype=np.float32)
    powers = np.empty(len(clock.half_life_seconds))
    scratch = np.empty_like(powers)
    kernel.weigh(clock, time, 1, powers)
    missed = not _is_seen(states, layouts, witnesses, needed, known, kind, time)
    values = np.full(offsets[-1] + len(program.codes), np.nan, dtype=np.float32)
    kernel.facts(time, log_price, values)
    for entity in range(entities):
        if needed[entity] & ~known == 0:
            layout = layout_at(layouts, entity)
            if missed:
                kernel.apply(states[entity], layout, clock, kind, time, log_price, powers)
            out = values[offsets[entity] : offsets[entity + 1]]
            kernel.read(states[entity], layout, clock, time, scratch, out)
    kernel.derive(values, program)
    return values[vector]


@compiled()
def latest_before(rows, times, kinds, kind, last, carts, before):
    """For each of ``carts``, places of events of ``kind``: time of the latest one before it of the
    same row, late ones included. ``last`` holds that of each row, and is brought up to date."""
    for i in range(len(carts)):
        event = carts[i]
        row = rows[event]
        before[i] = last[row] if row >= 0 else kernel.NEVER
        if row >= 0 and kinds[event] == kind:
            last[row] = max(last[row], times[event])
