"""Lakes that history is read from: days of events in a folder, or in an S3 bucket."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, NamedTuple, Protocol, Self

import polars as pl
from pyarrow import fs

from cartwise.data.lake import (
    day_path,
    days_named,
    read_day,
    require_day_as_written,
    stored_days,
)
from cartwise.data.log import Log, history_of
from cartwise.disk import readable, writable
from cartwise.errors import InputError
from cartwise.events import COLUMNS, EVENT_SCHEMA

S3: Final = "s3://"


class Version(NamedTuple):
    """What tells an object in a bucket from one of the same name before or after it."""

    tag: str
    size_bytes: int

    @classmethod
    def of(cls, stream: Any) -> Self:
        """That of an object that was opened."""
        facts = stream.metadata()
        return cls(facts["ETag"].decode(), int(facts["Content-Length"]))


class Lake(Protocol):
    """Days of events, each in log order. All methods raise InputError where they cannot be read."""

    def days(self) -> list[date]:
        """The days that have events, in order; there is at least one."""
        ...

    def read(self, day: date, columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
        """The events of a day, or some columns of them."""
        ...

    def version(self) -> str:
        """A name for these events, as :attr:`cartwise.data.log.Log.version`."""
        ...


class FolderLake:
    """Days in a folder, as 'cartwise ingest' writes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def days(self) -> list[date]:
        return stored_days(self._folder)

    def read(self, day: date, columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
        file = day_path(self._folder, day)
        with readable(file):
            found = file.stat()
        _require_as_written(self._folder, day, found.st_mtime_ns, found.st_size)
        return read_day(self._folder, day, columns)

    def version(self) -> str:
        return Log.read(self._folder).version


@cache
def _require_as_written(lake: Path, day: date, _changed_ns: int, _size_bytes: int) -> None:
    """Hold a day's file against its checksum, once for as long as it does not change."""
    require_day_as_written(lake, day)


class KeptDays:
    """Copies of a bucket's days in a folder, each under a name made of what it is a copy of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, place: str, version: Version, fetch: Callable[[], bytes]) -> bytes:
        """The content of a version of an object: its copy, or what is fetched and kept from now.

        Raises:
            OutputError: it cannot be kept.
        """
        of_day = _digest(place)
        copy = self._folder / f"{of_day}-{_digest(version.tag)}.parquet"
        content = _whole(copy, version.size_bytes)
        if content is None:
            content = fetch()
            with writable(self._folder):
                self._keep(copy, content)
                for other in {*self._folder.glob(f"{of_day}-*.parquet")} - {copy}:
                    other.unlink(missing_ok=True)
        return content

    def _keep(self, copy: Path, content: bytes) -> None:
        """Write a copy that is there at once or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = copy.with_name(f"{copy.name}.{token_hex(4)}.partial")
        fresh.write_bytes(content)
        fresh.replace(copy)


def _whole(copy: Path, size_bytes: int) -> bytes | None:
    """A copy's content; None where there is none of that size, or none that can be read."""
    try:
        content = copy.read_bytes()
    except OSError:
        return None
    return content if len(content) == size_bytes else None


class BucketLake:
    """The same folder in a bucket, at ``s3://bucket/path``; a day is fetched when it is read.

    Args:
        url: where it lies.
        endpoint: of an S3 server that is not Amazon's.
        kept: where copies of days are kept; without, each read fetches.
    """

    def __init__(self, url: str, endpoint: str | None = None, kept: KeptDays | None = None) -> None:
        self._url = url.rstrip("/")
        self._kept = kept
        where = {"endpoint_override": endpoint} if endpoint else {}
        self._files = fs.S3FileSystem(allow_bucket_creation=False, **where)

    def __str__(self) -> str:
        return self._url

    def days(self) -> list[date]:
        selector = fs.FileSelector(self._url.removeprefix(S3), allow_not_found=True)
        with self._answering():
            found = self._files.get_file_info(selector)
        return days_named((info.base_name for info in found), self)

    def read(self, day: date, columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
        content, place = io.BytesIO(self._load(day)), self._place(day)
        with readable(place, "copy it again"):
            if pl.read_parquet_schema(content) != EVENT_SCHEMA:
                raise InputError(f"{place} does not hold events in the lake's form: move it away")
            content.seek(0)
            return pl.read_parquet(content, columns=list(columns), hive_partitioning=False)

    def version(self) -> str:
        days = self.days()
        digests = {day: hashlib.sha256(self._load(day)).hexdigest() for day in days}
        return history_of(digests)[days[-1]][:16]

    def _place(self, day: date) -> str:
        return f"{self._url}/{day_path(Path(), day)}"

    def _load(self, day: date) -> bytes:
        place = self._place(day)
        with self._answering(), self._files.open_input_stream(place.removeprefix(S3)) as stream:
            if self._kept:
                return self._kept.get(place, Version.of(stream), stream.read)
            content: bytes = stream.read()
        return content

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InputError(
                f"the lake {self} lacks what it should hold ({_first_line(error)}): copy it again"
            ) from error
        except OSError as error:
            raise InputError(
                f"the lake {self} cannot be read ({_first_line(error)}): check the bucket, the "
                "credentials, and that its server answers"
            ) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
