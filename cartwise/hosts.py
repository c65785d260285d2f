"""Names of hosts."""

from typing import Final

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens at ``host``."""
    return host in _LOOPBACK
