"""From staging to the lake in one step that an interruption can delay but not halve.

Everything new is written below ``<lake>/.staging``, and ``commit.json`` is written there last.
Without that file a staging folder is the rest of a dead run and is thrown away; with it, the
files are moved into the lake, by this run or, if it dies, by the next.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cartwise.checksums import SUMS
from cartwise.documents import read_document
from cartwise.errors import InputError
from cartwise.folders import is_locked
from cartwise.interrupts import held_back

STAGING: Final = ".staging"
REPORT: Final = "ingest.json"

_READY: Final = "ready"
_COMMIT: Final = "commit.json"
_MOMENT_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class _Commit:
    record: dict[str, Any]
    obsolete: list[str]


@contextmanager
def staging(lake: Path) -> Iterator[Path]:
    """An empty folder for the files of one ingest, gone at the end unless they are committed."""
    folder = lake / STAGING
    try:
        (folder / _READY).mkdir(parents=True)
        yield folder
    finally:
        if not (folder / _COMMIT).exists():
            shutil.rmtree(folder, ignore_errors=True)


def ready(folder: Path) -> Path:
    """Where in staging the files lie that will move into the lake, by the paths they get there."""
    return folder / _READY


def commit(lake: Path, record: dict[str, Any], obsolete: list[str]) -> None:
    """Move all that is ready into the lake and remove obsolete files, named relative to it.

    ``record`` is what the next run is told if this one dies in the middle.
    """
    folder = lake / STAGING
    _sync_tree(ready(folder))
    draft = folder / f"{_COMMIT}.draft"
    draft.write_text(json.dumps(asdict(_Commit(record, obsolete))))
    _sync(draft)
    # What is committed gets done: moving the files takes but a moment.
    with held_back():
        draft.replace(folder / _COMMIT)
        _sync(folder)
        recover(lake)


def require_settled(lake: Path, patience_seconds: float = _PATIENCE_SECONDS) -> None:
    """Wait while an ingest moves its files into the lake.

    Raises:
        InputError: one died while it did, or takes longer than anybody has patience.
    """
    end = time.monotonic() + patience_seconds
    while _is_pending(lake):
        if not is_locked(lake) and _is_pending(lake):
            raise InputError(
                f"an ingest into {lake} was cut off while it moved its files there: run it again"
            )
        if time.monotonic() > end:
            raise InputError(
                f"{lake} is held by an ingest that is still moving its files there: wait for it, "
                "or, if it stands still, end it and run it again"
            )
        time.sleep(_MOMENT_SECONDS)


def _is_pending(lake: Path) -> bool:
    return (lake / STAGING / _COMMIT).exists()


def recover(lake: Path) -> dict[str, Any] | None:
    """Complete a committed run and return its record, or throw away the rest of a dead one."""
    folder = lake / STAGING
    marker = folder / _COMMIT
    if not marker.exists():
        shutil.rmtree(folder, ignore_errors=True)
        return None
    committed = read_document(marker, _Commit, f"delete {folder} and run the ingest again")
    with held_back():
        _publish(ready(folder), lake)
        for name in committed.obsolete:
            (lake / name).unlink(missing_ok=True)
        _sync(lake)
        shutil.rmtree(folder)
    return committed.record


def _publish(ready: Path, lake: Path) -> None:
    files = [file for file in ready.rglob("*") if file.is_file()]
    # Checksums never lie there without their file, and the report goes last: whoever sees it sees
    # everything that it counts.
    for file in sorted(files, key=lambda file: (file.name == REPORT, file.name == SUMS, file)):
        target = lake / file.relative_to(ready)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
        _sync(target.parent)


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
