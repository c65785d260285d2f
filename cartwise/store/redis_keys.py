"""Names of a Redis store's keys."""

from typing import Final

HEAD: Final = b"cartwise:head"

PREFIX: Final = b"cw:"
"""Before the key of a state. With it a key is 20 bytes, which cost Redis as much as 17."""
