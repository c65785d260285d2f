"""API keys: 256 random bits each, kept as their SHA-256 only, with the scopes that they open.

A key reads ``cw_<id>_<secret>``. The file of keys is JSON without secrets, replaced at once, so it
can be mounted read-only and changed under a running server. A plain hash is enough for a random
secret of this length: nobody can go through the possibilities, however fast the hash.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from cartwise.errors import InputError
from cartwise.folders import replaced_file
from cartwise.plain_files import read_bytes

_PREFIX: Final = "cw"
_SECRET_BYTES: Final = 32


class Scope(StrEnum):
    """What a key may do."""

    SCORE = "score"
    EVENTS = "events"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True)
class Key:
    """All that is known of a key; not the key."""

    id: str
    name: str
    scopes: frozenset[Scope]
    sha256: str
    created: str
    revoked: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "scopes": sorted(self.scopes)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        return cls(**{**facts, "scopes": frozenset(map(Scope, facts["scopes"]))})


class Keyring:
    """The keys that a server knows."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = {key.id: key for key in keys}

    def __iter__(self) -> Any:
        return iter(self._keys.values())

    @property
    def opens(self) -> bool:
        """Whether any key is valid."""
        return any(key.revoked is None for key in self)

    def find(self, presented: str) -> Key | None:
        """The valid key that this text is; None if it is none.

        The secret is compared in constant time; the id, which tells which key to compare with,
        is no secret.
        """
        prefix, _, rest = presented.partition("_")
        id_, _, secret = rest.partition("_")
        key = self._keys.get(id_)
        given = _digest(secret)
        same = hmac.compare_digest(given, key.sha256 if key else _digest(""))
        return key if same and key and prefix == _PREFIX and key.revoked is None else None

    def with_new(self, name: str, scopes: Iterable[Scope], at: datetime) -> tuple[Self, str]:
        """A ring with one key more, and that key: it cannot be had again."""
        id_, secret = secrets.token_hex(6), secrets.token_urlsafe(_SECRET_BYTES)
        key = Key(id_, name, frozenset(scopes), _digest(secret), at.isoformat(timespec="seconds"))
        return type(self)([*self, key]), f"{_PREFIX}_{id_}_{secret}"

    def without(self, id_: str, at: datetime) -> Self:
        """A ring in which this key is revoked; raises InputError where there is none."""
        if id_ not in self._keys:
            raise InputError(f"there is no key '{id_}': 'cartwise keys list' shows all")
        when = at.isoformat(timespec="seconds")
        return type(self)(replace(k, revoked=when) if k.id == id_ else k for k in self)

    @classmethod
    def read(cls, file: Path) -> Self:
        """The keys of a file, none if there is no file; raises InputError if it is damaged."""
        if not file.exists():
            return cls()
        try:
            return cls(map(Key.from_json, json.loads(read_bytes(file))["keys"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"the file of keys '{file}' cannot be read: {error}") from error

    def write(self, file: Path) -> None:
        """Replace the file at once; only its owner may read it."""
        text = json.dumps({"keys": [key.to_json() for key in self]}, indent=1)
        with replaced_file(file) as fresh:
            fresh.touch(mode=0o600)
            fresh.write_text(text + "\n")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
