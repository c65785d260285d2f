"""Open addressing with linear probing, compiled: where a key's state lies in a table.

``slots`` is a power of two of uint64, 0 if free, else a tag of the key's hash in the upper half and
its row + 1 in the lower. ``keys`` (rows, 2) holds the keys themselves.
"""

import numpy as np

from cartwise.features import kernel
from cartwise.features.compiled import compiled
from cartwise.features.hashing import mix

_ROW_MASK = np.uint64(0xFFFFFFFF)


@compiled()
def _hash(high, low):
    return mix(high * np.uint64(0x9E3779B97F4A7C15) + mix(low))


@compiled()
def _find(high, low, slots, keys):
    """Slot of a key, or the free slot where it belongs, and the key's tag."""
    hashed = _hash(high, low)
    tag = hashed & ~_ROW_MASK
    mask = np.uint64(len(slots) - 1)
    slot = hashed & mask
    while slots[slot] != 0:
        if (slots[slot] & ~_ROW_MASK) == tag:
            row = (slots[slot] & _ROW_MASK) - np.uint64(1)
            if keys[row, 0] == high and keys[row, 1] == low:
                return slot, tag
        slot = (slot + np.uint64(1)) & mask
    return slot, tag


@compiled()
def locate(wanted, known, slots, keys, count, rows):
    """Fill ``rows`` with the row of each key, adding those that are new; the new count of keys."""
    for i in range(len(rows)):
        rows[i] = -1
        if known[i]:
            slot, tag = _find(wanted[i, 0], wanted[i, 1], slots, keys)
            if slots[slot] == 0:
                keys[count, 0] = wanted[i, 0]
                keys[count, 1] = wanted[i, 1]
                count += 1
                slots[slot] = tag | np.uint64(count)
            rows[i] = (slots[slot] & _ROW_MASK) - np.uint64(1)
    return count


@compiled()
def fill_slots(keys, count, slots):
    """Enter all keys into empty slots."""
    for row in range(count):
        slot, tag = _find(keys[row, 0], keys[row, 1], slots, keys)
        slots[slot] = tag | np.uint64(row + 1)


@compiled()
def clear_rows(states, layout, start, end, landmark):
    """Make the rows the states of entities without events."""
    for row in range(start, end):
        kernel.clear(states[row], layout, landmark)


@compiled()
def keep_living(states, keys, count, layout, time):
    """Move the rows that can still be seen at ``time`` together; how many they are."""
    kept = 0
    for row in range(count):
        if kernel.last_event(states[row], layout) + layout.time_to_live_seconds >= time:
            if kept < row:
                states[kept] = states[row]
                keys[kept] = keys[row]
            kept += 1
    return kept
