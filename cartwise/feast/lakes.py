"""Lakes that history is read from: days of events in a folder, or in an S3 bucket."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final, Protocol

import polars as pl
from pyarrow import fs

from cartwise.data.lake import day_path, days_named, read_day, stored_days
from cartwise.data.log import Log, history_of
from cartwise.disk import readable
from cartwise.errors import InputError
from cartwise.events import COLUMNS, EVENT_SCHEMA

S3: Final = "s3://"


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
        return read_day(self._folder, day, columns)

    def version(self) -> str:
        return Log.read(self._folder).version


class BucketLake:
    """The same folder in a bucket, at ``s3://bucket/path``; a day is fetched when it is read.

    Args:
        url: where it lies.
        endpoint: of an S3 server that is not Amazon's.
    """

    def __init__(self, url: str, endpoint: str | None = None) -> None:
        self._url = url.rstrip("/")
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


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
