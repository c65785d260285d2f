"""One at a time in a registry: a lock that MLflow itself keeps, which has none of its own.

Whoever wants to be alone registers a model of a name of its own and then looks who else has: of
two that come at once, at least one sees the other. Alone, it holds. Of several, the earliest looks
again until it is alone, and the others step back. No name is ever used twice, so a lock that was
left behind is removed without harm to the next one.

Ages are told by the registry's own clock: every lock bears the time at which it was made there.
"""

import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from random import uniform
from typing import Any, Final

from cartwise.errors import RegistryError

DEAD_AFTER_SECONDS: Final = 120.0
"""A lock this old is of a process that was killed: what it is for takes seconds."""

_PREFIX: Final = "cartwise-lock-"
_MOST_LOCKS: Final = 1000
_PAUSE_SECONDS: Final = 0.2
_SHARE_IN_TIME: Final = 0.5
_SHARE_OF_WAITING: Final = 0.1
_ROUNDS: Final = 5.0

_log: Final = logging.getLogger("cartwise.registry")


@dataclass(frozen=True, order=True)
class Lock:
    """A lock as registered; ``created`` is its time in seconds by the registry's clock."""

    created: float
    name: str
    dead_after: float = field(default=DEAD_AFTER_SECONDS, compare=False)
    begun: float = field(default_factory=time.monotonic, compare=False)

    @property
    def age(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.begun

    def require_time(self) -> None:
        """Raise RegistryError where others might soon take this lock for a dead one."""
        if self.age > _SHARE_IN_TIME * self.dead_after:
            raise RegistryError(
                f"the registry took {self.age:.0f} s for what takes seconds, and another process "
                "might have gone on meanwhile: run it again"
            )


def acquire(client: Any, dead_after: float = DEAD_AFTER_SECONDS) -> Lock:
    """The registry's lock, once nobody else holds it; ``client`` is MLflow's.

    Raises RegistryError where others hold it again and again.
    """
    give_up = time.monotonic() + _ROUNDS * dead_after
    while time.monotonic() < give_up:
        if lock := _try(client, dead_after):
            return lock
        _log.info("another process holds the registry's lock: waiting for it")
        time.sleep(uniform(1, 3) * _PAUSE_SECONDS)  # noqa: S311 - no secret: two shall not meet again
    raise RegistryError("other promotions hold the registry's lock again and again: run it again")


def release(client: Any, lock: Lock) -> None:
    """Let the next one in."""
    client.delete_registered_model(lock.name)


def _try(client: Any, dead_after: float) -> Lock | None:
    lock = _register(client, dead_after)
    held = False
    try:
        held = _is_left_alone(client, lock)
    finally:
        if not held:
            release(client, lock)
    return lock if held else None


def _register(client: Any, dead_after: float) -> Lock:
    made = client.create_registered_model(
        f"{_PREFIX}{secrets.token_hex(8)}",
        description="The last step of a promotion is being taken. It may be deleted when old.",
    )
    return Lock(made.creation_timestamp / 1000, made.name, dead_after)


def _is_left_alone(client: Any, lock: Lock) -> bool:
    while rivals := _rivals(client, lock):
        if min(rivals) < lock or lock.age > _SHARE_OF_WAITING * lock.dead_after:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _rivals(client: Any, lock: Lock) -> list[Lock]:
    """Other locks whose holders may live; dead ones are removed."""
    found = client.search_registered_models(f"name LIKE '{_PREFIX}%'", max_results=_MOST_LOCKS)
    others = [Lock(one.creation_timestamp / 1000, one.name) for one in found]
    return [one for one in others if one.name != lock.name and not _is_dead(client, one, lock)]


def _is_dead(client: Any, other: Lock, lock: Lock) -> bool:
    age = lock.created + lock.age - other.created
    if age <= lock.dead_after:
        return False
    _log.warning("'%s' was left behind %.0f s ago by a process that was killed", other.name, age)
    # It does not count, whether this account may remove it or not.
    with suppress(Exception):
        client.delete_registered_model(other.name)
    return True
