"""Files that are to be read as they were written, by their SHA-256 in the form of ``sha256sum``."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cartwise.disk import readable
from cartwise.errors import InputError

SUMS: Final = "_SHA256SUMS"
"""Spark and Arrow take any other file beside a Parquet file for one, unless it begins so."""

_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def as_sums(digests: Mapping[str, str]) -> str:
    """The text of a file of checksums; ``digests`` by the files' paths from where it lies."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))


def read_sums(folder: Path, remedy: str) -> Mapping[str, str] | None:
    """The digests that lie in a folder, by path; None where nobody wrote any.

    Raises:
        InputError: they are damaged; ``remedy`` tells what to do.
    """
    file = folder / SUMS
    with readable(file):
        if not file.exists():
            return None
        lines = file.read_text(errors="replace").splitlines()
    found = [_LINE.fullmatch(line) for line in lines]
    if None in found:
        raise _damaged(file, f"its line {1 + found.index(None):,} is no checksum", remedy)
    return {match[2]: match[1] for match in found if match}


def recorded(folder: Path, name: str, sums: Mapping[str, str] | None, remedy: str) -> str | None:
    """The digest that a folder's checksums have for a file; None where it has no checksums.

    Raises:
        InputError: they lack the file; ``remedy`` tells what to do.
    """
    if sums is not None and name not in sums:
        raise _damaged(folder / SUMS, f"it lacks {name}", remedy)
    return sums[name] if sums else None


def _damaged(file: Path, reason: str, remedy: str) -> InputError:
    return InputError(
        f"{file} is damaged ({reason}): {remedy}; or, if all else is right, delete it"
    )


def digest_of(file: Path, remedy: str) -> str:
    """The SHA-256 of a file's bytes; raises InputError with the remedy where it is unreadable."""
    with readable(file, remedy), file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def require_as_written(folder: Path, name: str, sums: Mapping[str, str] | None, remedy: str) -> str:
    """The digest of a file that is as it was written, by the ``sums`` of its folder, if any.

    Raises:
        InputError: it is not; ``remedy`` tells what to do.
    """
    digest = digest_of(folder / name, remedy)
    if recorded(folder, name, sums, remedy) not in (None, digest):
        raise InputError(
            f"{folder / name} is not as it was written, by its checksum in {SUMS}: {remedy}; "
            f"or, if it was changed on purpose, delete {SUMS}"
        )
    return digest


def require_all_as_written(folder: Path, files: Iterable[Path], remedy: str) -> None:
    """Raise InputError unless some files below a folder that has their checksums are as they were
    written; ``remedy`` tells what to do."""
    sums = read_sums(folder, remedy)
    for file in files:
        require_as_written(folder, file.relative_to(folder).as_posix(), sums, remedy)
