"""Open addressing with linear probing, compiled: where a key's state lies in a table.

``slots`` is an array of two to the power of ``64 - shift`` uint64. A slot is 0 if free, else it has
the upper half of the key's hash above the key's row + 1. A key belongs to the slot that the upper
bits of its hash name, ``hash >> shift``, or to the next free one: so the slots are in the order of
hashes, and growing them is a walk from end to end. ``keys`` (rows, 2) holds the keys themselves.
"""

import numpy as np

from cartwise.features import kernel
from cartwise.features.compiled import compiled
from cartwise.features.hashing import mix

_ROW_MASK = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)

_AT_A_TIME = 512
"""What so many searches touch fits into a core's own cache."""


@compiled()
def _hash(high, low):
    return mix(high * np.uint64(0x9E3779B97F4A7C15) + mix(low))


@compiled(forceinline=True)
def _find(high, low, hashed, slots, shift, keys):
    """Slot of a key, or the free slot where it belongs."""
    tag = hashed & ~_ROW_MASK
    mask = np.uint64(len(slots) - 1)
    slot = hashed >> shift
    while slots[slot] != 0:
        if (slots[slot] & ~_ROW_MASK) == tag:
            row = (slots[slot] & _ROW_MASK) - _ONE
            if keys[row, 0] == high and keys[row, 1] == low:
                return slot
        slot = (slot + _ONE) & mask
    return slot


@compiled()
def _touch(hashes, slots, shift, keys):
    """Load what the search for these hashes will want to see; the processor waits for many such
    loads at a time, but for those of a search one after the other."""
    seen = np.uint64(0)
    for hashed in hashes:
        seen ^= slots[hashed >> shift]
    for hashed in hashes:
        row = slots[hashed >> shift] & _ROW_MASK
        if row != 0:
            seen ^= keys[row - _ONE, 0]
    return seen


@compiled()
def _locate_some(wanted, known, hashes, slots, shift, keys, count, rows):
    for i in range(len(rows)):
        rows[i] = -1
        if known[i]:
            slot = _find(wanted[i, 0], wanted[i, 1], hashes[i], slots, shift, keys)
            if slots[slot] == 0:
                keys[count, 0] = wanted[i, 0]
                keys[count, 1] = wanted[i, 1]
                count += 1
                slots[slot] = (hashes[i] & ~_ROW_MASK) | np.uint64(count)
            rows[i] = (slots[slot] & _ROW_MASK) - _ONE
    return count


@compiled()
def locate(wanted, known, slots, shift, keys, count, rows):
    """Fill ``rows`` with the row of each key, adding those that are new; the new count of keys."""
    seen = np.uint64(0)
    hashes = np.empty(_AT_A_TIME, dtype=np.uint64)
    for start in range(0, len(rows), _AT_A_TIME):
        end = min(start + _AT_A_TIME, len(rows))
        for i in range(start, end):
            hashes[i - start] = _hash(wanted[i, 0], wanted[i, 1])
        some = hashes[: end - start]
        seen ^= _touch(some, slots, shift, keys)
        count = _locate_some(
            wanted[start:end], known[start:end], some, slots, shift, keys, count, rows[start:end]
        )
    return count, seen


@compiled()
def find(wanted, known, slots, shift, keys, rows):
    """Fill ``rows`` with the row of each key, -1 where the table does not have it."""
    for i in range(len(rows)):
        rows[i] = -1
        if known[i]:
            hashed = _hash(wanted[i, 0], wanted[i, 1])
            slot = _find(wanted[i, 0], wanted[i, 1], hashed, slots, shift, keys)
            rows[i] = np.int64(slots[slot] & _ROW_MASK) - 1


@compiled()
def fill_slots(keys, count, slots, shift):
    """Enter all keys into empty slots."""
    for row in range(count):
        hashed = _hash(keys[row, 0], keys[row, 1])
        slot = _find(keys[row, 0], keys[row, 1], hashed, slots, shift, keys)
        slots[slot] = (hashed & ~_ROW_MASK) | np.uint64(row + 1)


@compiled()
def move_slots(old, slots, shift):
    """Enter all keys of ``old`` slots into empty, wider ones."""
    mask = np.uint64(len(slots) - 1)
    for entry in old:
        if entry != 0:
            slot = entry >> shift
            while slots[slot] != 0:
                slot = (slot + _ONE) & mask
            slots[slot] = entry


@compiled()
def clear_rows(states, layout, start, end, landmark):
    """Make the rows the states of entities without events."""
    for row in range(start, end):
        kernel.clear(states[row], layout, landmark)


@compiled()
def keep_living(states, keys, count, layout, time):
    """Move the rows that can still be seen at ``time`` together.

    Returns how many they are, and the earliest of their latest events: until that expires, there
    is nothing to look for.
    """
    kept = 0
    oldest = float(time)
    for row in range(count):
        last = kernel.last_event(states[row], layout)
        if last + layout.time_to_live_seconds >= time:
            oldest = min(oldest, last)
            if kept < row:
                states[kept] = states[row]
                keys[kept] = keys[row]
            kept += 1
    return kept, oldest
