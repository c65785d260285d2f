"""A model from the registry: the version that an alias names, kept in a local folder."""

import re
import shutil
from pathlib import Path
from typing import Final

from cartwise.errors import InputError
from cartwise.folders import replaced_file
from cartwise.model.registry import Registry

SCHEME: Final = "models:/"

_FETCHED: Final = re.compile(r"\d+-[0-9a-f]{12}")
"""How :meth:`Registry.fetch` names a version's folder."""


class Registered:
    """The bundle of an address like ``models:/cartwise@champion``.

    What was fetched is verified and kept in ``cache``, so that a server can start, and start
    again, while the registry is away.
    """

    def __init__(self, address: str, registry: Registry, cache: Path, *, optional: bool) -> None:
        if not address.startswith(SCHEME):
            raise InputError(f"'{address}' names no model: write models:/cartwise@champion")
        self._address = address
        self._registry = registry
        self._cache = cache
        self._optional = optional
        self._note = cache / f"{address.removeprefix(SCHEME).replace('/', '-')}.txt"

    def locate(self) -> Path | None:
        """The folder of the version that is meant now; raises RegistryError or BundleError."""
        wanted = self._address.removeprefix(SCHEME).partition("@")[2]
        if self._optional and wanted and not self._is_named(wanted):
            return None
        folder = self._registry.fetch(self._registry.find(self._address), self._cache)
        with replaced_file(self._note) as note:
            note.write_text(folder.name)
        self._prune()
        return folder

    def _prune(self) -> None:
        """Remove what was fetched and is meant by no address any more."""
        meant = {note.read_text() for note in self._cache.glob("*.txt")}
        for folder in self._cache.iterdir():
            if _FETCHED.fullmatch(folder.name) and folder.name not in meant:
                shutil.rmtree(folder, ignore_errors=True)

    def _is_named(self, alias: str) -> bool:
        return any(alias in version.aliases for version in self._registry.versions())

    def kept(self) -> Path | None:
        """The folder of the version that was meant last time, perhaps by an earlier process."""
        return self._cache / self._note.read_text() if self._note.exists() else None

    def __str__(self) -> str:
        return self._address
