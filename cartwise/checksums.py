"""Files that are to be read as they were written, by their SHA-256 in the form of ``sha256sum``."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cartwise.disk import readable
from cartwise.errors import InputError

SUMS: Final = "_SHA256SUMS"
"""Spark and Arrow take any other file beside a Parquet file for one, unless it begins so."""


def as_sums(digests: Mapping[str, str]) -> str:
    """The text of a file of checksums; ``digests`` by the files' paths from where it lies."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))


def read_sums(folder: Path) -> dict[str, str]:
    """The digests that lie in a folder, by path; none where nobody wrote any."""
    file = folder / SUMS
    with readable(file):
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def digest_of(file: Path, remedy: str) -> str:
    """The SHA-256 of a file's bytes; raises InputError with the remedy where it is unreadable."""
    with readable(file, remedy), file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def require_as_written(folder: Path, name: str, sums: Mapping[str, str], remedy: str) -> str:
    """The digest of a file that is as it was written, as far as ``sums`` of its folder know it.

    Raises:
        InputError: it is not; ``remedy`` tells what to do.
    """
    digest = digest_of(folder / name, remedy)
    if sums.get(name, digest) != digest:
        raise InputError(
            f"{folder / name} is not as it was written, by its checksum in {SUMS}: {remedy}; "
            f"or, if it was changed on purpose, delete {SUMS}"
        )
    return digest


def require_all_as_written(folder: Path, files: Iterable[Path], remedy: str) -> None:
    """Raise InputError unless some files below a folder that has their checksums are as they were
    written; ``remedy`` tells what to do."""
    sums = read_sums(folder)
    for file in files:
        require_as_written(folder, file.relative_to(folder).as_posix(), sums, remedy)
