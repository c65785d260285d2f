"""Offsets by compare-and-set: a source moves only from where a merge expects it."""

from cartwise.errors import StaleOffset
from cartwise.store.protocol import Advance, Position


def require_offset(advance: Advance, position: Position | None) -> None:
    """Raise StaleOffset unless a source stands where it is expected."""
    found = None if position is None else position.offset
    if found != advance.expected:
        raise stale_offset(advance.source, advance.expected, found)


def stale_offset(source: str, expected: object, found: object) -> StaleOffset:
    """What to raise where a source does not stand where it is expected."""
    return StaleOffset(
        f"{source} stands at offset {found} in the store, not at {expected}: another worker has "
        "moved it, or the store was loaded anew; go on from where it stands"
    )
