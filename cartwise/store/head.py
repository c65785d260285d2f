"""The head of a store: whose states it holds, and whether they are whole.

It is the fingerprint of the specification in hex digits, followed by the token of a load while one
is under way. A store without states may have none.
"""

import secrets
from dataclasses import dataclass

from cartwise.errors import FingerprintMismatch, StoreIncomplete

_DIGITS = 16


@dataclass(frozen=True)
class Head:
    """What a store's head must be for a specification's ``fingerprint``."""

    fingerprint: str

    @property
    def complete(self) -> bytes:
        """The head of a store that can be used."""
        return self.fingerprint.encode()

    def loading(self) -> bytes:
        """The head of a store during a new load."""
        return self.complete + secrets.token_hex(8).encode()

    def require(self, found: bytes | None) -> None:
        """Raise unless a store with this head can be used.

        Raises:
            FingerprintMismatch: its states were made with another specification.
            StoreIncomplete: it is being loaded.
        """
        if found is None or found == self.complete:
            return
        theirs = found[:_DIGITS].decode(errors="replace")
        if theirs != self.fingerprint:
            raise FingerprintMismatch(
                f"the store holds states of the feature specification {theirs}, this version of "
                f"Cartwise has {self.fingerprint}: fill another store with 'cartwise materialize'"
            )
        raise StoreIncomplete(
            "the store is being loaded, or a load of it was interrupted: wait for it, or run "
            "'cartwise materialize' again"
        )

    def require_own(self, found: bytes | None, own: bytes) -> None:
        """Raise unless the load with the head ``own`` is still the one under way."""
        if found != own:
            raise StoreIncomplete("another load of the store has begun: this one was given up")
