"""MurmurHash3 x64 128, compiled (Austin Appleby, public domain; SMHasher ``MurmurHash3.cpp``)."""

import numpy as np

from cartwise.features.compiled import compiled

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@compiled()
def _rotate(x, bits):
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@compiled()
def mix(x):
    """Finalizer of MurmurHash3: every input bit moves every output bit, and no two inputs meet."""
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


@compiled(forceinline=True)
def _byte(data, i):
    return np.uint64(data[np.uint64(i)])


@compiled(forceinline=True)
def _word(data, i):
    # Written out, and with indexes that cannot be negative, this is one load.
    low = _byte(data, i) | (_byte(data, i + 1) << np.uint64(8))
    low |= (_byte(data, i + 2) << np.uint64(16)) | (_byte(data, i + 3) << np.uint64(24))
    high = _byte(data, i + 4) | (_byte(data, i + 5) << np.uint64(8))
    high |= (_byte(data, i + 6) << np.uint64(16)) | (_byte(data, i + 7) << np.uint64(24))
    return low | (high << np.uint64(32))


@compiled()
def _part_of_word(data, start, end):
    size = end - start
    if size > 0 and start + 8 <= len(data):
        # One load that reads on, as far as there are bytes: a loop's length cannot be foreseen.
        return _word(data, start) & (_ALL >> np.uint64(64 - 8 * min(size, 8)))
    word = np.uint64(0)
    for i in range(start, end):
        word |= np.uint64(data[i]) << np.uint64(8 * (i - start))
    return word


@compiled()
def murmur3(data, start, end):
    """The two halves of the hash of ``data[start:end]``."""
    h1 = np.uint64(0)
    h2 = np.uint64(0)
    whole = end - (end - start) % 16
    for i in range(start, whole, 16):
        h1 ^= _rotate(_word(data, i) * _C1, 31) * _C2
        h1 = (_rotate(h1, 27) + h2) * np.uint64(5) + np.uint64(0x52DCE729)
        h2 ^= _rotate(_word(data, i + 8) * _C2, 33) * _C1
        h2 = (_rotate(h2, 31) + h1) * np.uint64(5) + np.uint64(0x38495AB5)
    h2 ^= _rotate(_part_of_word(data, min(whole + 8, end), end) * _C2, 33) * _C1
    h1 ^= _rotate(_part_of_word(data, whole, min(whole + 8, end)) * _C1, 31) * _C2
    h1 ^= np.uint64(end - start)
    h2 ^= np.uint64(end - start)
    h1 += h2
    h2 += h1
    h1 = mix(h1)
    h2 = mix(h2)
    h1 += h2
    h2 += h1
    return h1, h2


@compiled()
def hash_all(data, offsets, out):
    """Hash each of the strings ``data[offsets[i]:offsets[i + 1]]`` into a row of ``out``."""
    for i in range(len(out)):
        out[i, 0], out[i, 1] = murmur3(data, offsets[i], offsets[i + 1])


@compiled()
def salted(high, low, salt):
    """The two halves of a key made of a hash and an integer."""
    return mix(high + salt * _C1), mix(low ^ (salt * _C2))


@compiled()
def mix_in(keys, salt, out):
    """Make a key of a hash and an integer, row by row."""
    for i in range(len(out)):
        out[i, 0], out[i, 1] = salted(keys[i, 0], keys[i, 1], salt[i])
