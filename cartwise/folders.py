"""Files, folders and lines that appear whole or not at all."""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from secrets import token_hex
from typing import Final

from cartwise.disk import writable
from cartwise.errors import CartwiseError, OutputError, PlaceTaken
from cartwise.interrupts import held_back

_BLOCK_BYTES: Final = 65_536
_OF_A_VOLUME: Final = "lost+found"
_LOOK_SECONDS: Final = 1.0
"""Longer than anybody looks whether a folder is locked, for which it is, for an instant."""
_MOMENT_SECONDS: Final = 0.01


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Give a fresh folder beside ``folder`` that takes its place when the block ends well.

    A reader finds the old folder or the whole new one. After a death by force between the two
    renames, the next call puts the old one back.

    Raises:
        OutputError: the folder cannot be written; what was there before is unchanged.
    """
    folder = _pointed_to(folder)
    with scratch(folder) as aside:
        fresh = aside / folder.name
        fresh.mkdir()
        recover(folder)
        yield fresh
        _exchange(fresh, folder)
        shutil.rmtree(_before(folder), ignore_errors=True)


def _exchange(fresh: Path, folder: Path) -> None:
    """Put ``fresh`` in the place of ``folder``, which waits aside and comes back if that fails."""
    with held_back():
        if folder.exists():
            folder.rename(_before(folder))
        try:
            fresh.rename(folder)
        except OSError:
            recover(folder)
            raise


@contextmanager
def replaced_file(file: Path) -> Iterator[Path]:
    """Give the path of a fresh file that takes the place of ``file`` when the block ends well.

    Raises:
        OutputError: the file cannot be written; what was there before is unchanged.
    """
    file = _pointed_to(file)
    with scratch(file) as aside:
        fresh = aside / file.name
        yield fresh
        fresh.replace(file)


def _pointed_to(target: Path) -> Path:
    """What is replaced: of a link what it points to, not the link."""
    return target.resolve() if target.is_symlink() else target


@contextmanager
def written_together(folder: Path, contents: Mapping[str, bytes]) -> Iterator[None]:
    """Write files; they appear in ``folder``, all of them, when the block ends well.

    Each appears whole; a death by force in the moment in which they appear may leave some old.

    Raises:
        PlaceTaken: a folder is in the place of one; nothing was done.
        OutputError: they cannot be written; what was there before is unchanged.
    """
    for name in contents:
        if (folder / name).is_dir():
            raise PlaceTaken(f"'{folder / name}' is a folder: choose another place to write to")
    is_new = not folder.exists()
    try:
        with scratch(folder / min(contents), told=folder) as fresh:
            for name, content in contents.items():
                (fresh / name).write_bytes(content)
            yield
            with held_back():
                for name in contents:
                    (fresh / name).replace(folder / name)
    finally:
        if is_new:
            _remove_if_empty(folder)


def append_lines(file: Path, lines: Iterable[bytes]) -> None:
    """Append lines, each without its end, to a file that is made if need be: all of them or none.

    What an interruption left of a line is cut off first.

    Raises:
        OutputError: they cannot be written; the file is as it was.
    """
    with writable(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileIO(file, "a+") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            end = _end_of_lines(out)
            out.truncate(end)
            try:
                _write_all(out, b"".join(line + b"\n" for line in lines))
            except OSError:
                out.truncate(end)
                raise


def _end_of_lines(file: FileIO) -> int:
    """Where the last whole line of a file ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _BLOCK_BYTES)
        file.seek(start)
        if found := file.read(end - start).rfind(b"\n") + 1:
            return start + found
        end = start
    return 0


def _write_all(file: FileIO, content: bytes) -> None:
    """Write all of it: on a full disk, one call may write a part without an error."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


@contextmanager
def locked(folder: Path, work: str, patience: float = _LOOK_SECONDS) -> Iterator[None]:
    """Create a folder if need be and keep others who do such ``work`` out of it.

    ``patience`` is how many seconds to wait for another one.

    Raises:
        OutputError: the folder cannot be written, or another one is at work in it.
    """
    is_new = not folder.exists()
    with writable(folder):
        descriptor = _lock(folder, work, patience)
    try:
        yield
    finally:
        if is_new:
            _remove_if_empty(folder)
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether somebody is at :func:`locked` work in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _remove_if_empty(folder: Path) -> None:
    # Fails, as it should, unless the folder never came to hold anything.
    with suppress(OSError):
        folder.rmdir()


def _lock(folder: Path, work: str, patience: float) -> int:
    """A descriptor of the folder, which is made if need be, that holds its lock."""
    end = time.monotonic() + patience
    while True:
        descriptor = _opened(folder)
        if _try_lock(descriptor, fcntl.LOCK_EX) and _is_at(descriptor, folder):
            return descriptor
        os.close(descriptor)
        if time.monotonic() > end:
            raise OutputError(
                f"another {work} is writing to {folder}: wait for it, or choose another folder"
            )
        time.sleep(_MOMENT_SECONDS)


def _opened(folder: Path) -> int:
    """A descriptor of the folder, which is made if need be, and again where it goes meanwhile."""
    while True:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _is_at(descriptor: int, folder: Path) -> bool:
    """Whether a folder is still what was opened: who had its lock before may have removed it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    return False


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def require_free(folder: Path, contents: Collection[str], what: str) -> None:
    """Raise PlaceTaken unless ``folder`` is absent, or holds at most ``contents``.

    ``what`` it is for, such as "a bundle", stands in the message.
    """
    if folder.exists() and not folder.is_dir():
        raise PlaceTaken(f"'{folder}' is a file: choose a folder for {what}")
    names = (path.name for path in folder.iterdir()) if folder.exists() else ()
    if foreign := sorted(name for name in names if name not in contents):
        raise PlaceTaken(
            f"'{folder}' holds '{foreign[0]}', which is not of {what}: choose another folder"
        )


def require_new_or_begun(
    folder: Path, is_ours: Callable[[str], bool], what: str, may_stay: Collection[str] = ()
) -> None:
    """Raise PlaceTaken where ``folder`` holds other things and nothing of ``what`` is written to it
    beside them; what is hidden or ``may_stay`` does not count."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    if not any(map(is_ours, names)):
        hidden = [name for name in names if name.startswith(".")]
        require_free(folder, {*hidden, *may_stay, _OF_A_VOLUME}, what)


def require_replaceable(folder: Path) -> None:
    """Raise PlaceTaken where :func:`replaced` could put nothing in the place of a folder."""
    if folder.resolve().is_mount():
        raise PlaceTaken(
            f"'{folder}' is where a disk is mounted, which nothing can take the place of: "
            "choose a folder in it"
        )


def require_outside(out: Path, *read: Path) -> None:
    """Raise PlaceTaken where ``out`` is one of the folders that are read, or lies in one."""
    for folder in read:
        if out.resolve().is_relative_to(folder.resolve()):
            where = "is" if out.resolve() == folder.resolve() else f"lies in '{folder}', which is"
            raise PlaceTaken(f"'{out}' {where} read: choose another place to write to")


@contextmanager
def scratch(target: Path, told: Path | None = None) -> Iterator[Path]:
    """A folder on the same file system as ``target``, gone when the block ends.

    Errors name ``target`` instead of what has its name in there, and ``target`` or what is ``told``
    instead of the folder.
    """
    told = told or target
    with writable(told):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_the_dead(target)
        fresh = target.with_name(f".{target.name}-{token_hex(8)}")
        lock = _lock(fresh, "command", _LOOK_SECONDS)
        try:
            yield fresh
        except CartwiseError as error:
            if str(fresh) not in str(error):
                raise
            text = str(error).replace(str(fresh / target.name), str(target))
            raise type(error)(text.replace(str(fresh), str(told))) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            os.close(lock)


def _clear_the_dead(target: Path) -> None:
    """Remove the scratch folders that nobody holds: who made them was killed."""
    for left in target.parent.iterdir():
        if not re.fullmatch(rf"\.{re.escape(target.name)}-[0-9a-f]{{16}}", left.name):
            continue
        # Whoever made it holds its lock, in whatever container that is.
        with suppress(OSError):
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            if _try_lock(lock, fcntl.LOCK_EX):
                shutil.rmtree(left, ignore_errors=True)
            os.close(lock)


def set_aside(folder: Path) -> Path | None:
    """What :func:`recover` would put back in the place of a folder."""
    folder = _pointed_to(folder)
    before = _before(folder)
    return before if before.exists() and not folder.exists() else None


def _before(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.before")


def recover(folder: Path) -> None:
    """Put back a folder whose replacement was interrupted between the two renames."""
    if before := set_aside(folder):
        before.rename(_pointed_to(folder))
    shutil.rmtree(_before(_pointed_to(folder)), ignore_errors=True)
