"""Events as they arrived: Parquet files named by partition and range of offsets.

Layout: ``<lake>/arrivals/<topic>/<partition>-<from>-<to>.parquet``, where ``to`` is the offset
after the last one. A file has the nine columns of the log, and ``partition``, ``offset`` and
``arrived``; messages that were no events are in the range and not in the file. The same range
gives the same file, whoever writes it, and ranges may overlap.
"""

import io
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final, NamedTuple, Self

import polars as pl
from pyarrow import fs

from cartwise.disk import readable, writable
from cartwise.errors import InputError
from cartwise.events import EVENT_SCHEMA
from cartwise.streaming.source import Record, source_name
from cartwise.wire import Event

FOLDER: Final = "arrivals"

ARRIVAL_SCHEMA: Final = pl.Schema(
    {
        **EVENT_SCHEMA,
        "partition": pl.Int32(),
        "offset": pl.Int64(),
        "arrived": pl.Datetime("ms", "UTC"),
    }
)

_NAME: Final = re.compile(r"(\d{5})-(\d{19})-(\d{19})\.parquet")


class Range(NamedTuple):
    """Messages of a partition, from an offset to the one after the last."""

    source: str
    start: int
    end: int

    @property
    def path(self) -> str:
        """Path of its file below the arrivals."""
        topic, _, partition = self.source.rpartition("/")
        return f"{topic}/{int(partition):05d}-{self.start:019d}-{self.end:019d}.parquet"

    @classmethod
    def of(cls, path: str) -> Self | None:
        """The range of a file, None where it is none of ours."""
        topic, _, name = path.rpartition("/")
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        return cls(
            source_name(topic.rpartition("/")[2], int(match[1])), int(match[2]), int(match[3])
        )


def after(ranges: Iterable[Range], offset: int) -> Iterator[Range]:
    """The ranges of a partition that go beyond an offset; raises InputError where one is missing
    between them."""
    for one in ranges:
        if one.end <= offset:
            continue
        if one.start > offset:
            raise InputError(
                f"the arrivals of {one.source} lack the offsets {offset} to {one.start - 1}: "
                "restore their files, or fetch them again with 'cartwise archive'"
            )
        yield one
        offset = one.end


class Arrivals:
    """The files of arrivals in a lake: a folder, or ``s3://bucket/path``.

    Args:
        lake: where they lie, in ``arrivals``.
        s3_endpoint: of an S3 server that is not Amazon's.

    Raises:
        InputError: the address cannot be understood.
    """

    def __init__(self, lake: str, s3_endpoint: str | None = None) -> None:
        self.place = f"{lake.rstrip('/')}/{FOLDER}"
        self._files, self._root = _file_system(self.place, s3_endpoint)

    def ranges(self) -> dict[str, list[Range]]:
        """What is there by partition, in order, without what lies wholly within another range.

        Raises:
            InputError: the lake does not answer.
        """
        selector = fs.FileSelector(self._root, allow_not_found=True, recursive=True)
        with self._answering():
            found = self._files.get_file_info(selector)
        by_source: defaultdict[str, list[Range]] = defaultdict(list)
        for one in sorted(filter(None, (Range.of(info.path) for info in found)), key=_by_place):
            before = by_source[one.source]
            if not before or one.end > before[-1].end:
                before.append(one)
        return dict(by_source)

    def write(self, where: Range, arrived: Sequence[tuple[Record, Event]]) -> None:
        """Write the events of a range; the file is there at once or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        content = io.BytesIO()
        _frame(where, arrived).write_parquet(content, compression="zstd")
        self.save(where.path, content.getvalue())

    def read(self, where: Range) -> pl.DataFrame:
        """The events of a range in the order of their offsets."""
        place = Path(f"{self.place}/{where.path}")
        with readable(place, "restore it"):
            frame = pl.read_parquet(io.BytesIO(self.load(where.path) or b""))
        if frame.schema != ARRIVAL_SCHEMA:
            raise InputError(f"{place} holds no arrivals: move it away")
        return frame

    def load(self, path: str) -> bytes | None:
        """The content of a file beside the arrivals, None where there is none; errors as above."""
        try:
            with self._answering(), self._files.open_input_file(f"{self._root}/{path}") as file:
                content: bytes = file.read()
        except FileNotFoundError:
            return None
        return content

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise InputError(
                f"{self.place} cannot be read ({str(error).splitlines()[0]}): check the address, "
                "the credentials, and that its server answers"
            ) from error

    def save(self, path: str, content: bytes) -> None:
        """Write a file beside the arrivals or among them: there at once, or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        target = f"{self._root}/{path}"
        # Archives in containers all have the same process id.
        fresh = f"{target}.{token_hex(4)}.partial"
        with writable(Path(self.place)):
            self._files.create_dir(target.rpartition("/")[0])
            with self._files.open_output_stream(fresh) as stream:
                stream.write(content)
            if isinstance(self._files, fs.LocalFileSystem):
                _flush(fresh)
            self._files.move(fresh, target)


def _flush(file: str) -> None:
    """Have a file's content on the disk: its name must not outlive a power cut without it."""
    with open(file, "rb") as content:  # noqa: PTH123 - text of Arrow
        os.fsync(content.fileno())


def _by_place(one: Range) -> tuple[str, int, int]:
    return one.source, one.start, -one.end


def _file_system(place: str, s3_endpoint: str | None) -> tuple[fs.FileSystem, str]:
    if place.startswith("s3://"):
        where = {"endpoint_override": s3_endpoint} if s3_endpoint else {}
        return fs.S3FileSystem(allow_bucket_creation=False, **where), place.removeprefix("s3://")
    if "://" in place:
        raise InputError(f"{place} is no lake: give a folder or s3://bucket/path")
    return fs.LocalFileSystem(), os.path.abspath(place)  # noqa: PTH100 - text for Arrow


def _frame(where: Range, arrived: Sequence[tuple[Record, Event]]) -> pl.DataFrame:
    partition = int(where.source.rpartition("/")[2])
    rows = [
        (
            event.event_time, event.event_type, event.product_id, event.category_id,
            event.category_code, event.brand, event.price, event.user_id, event.user_session,
            partition, record.offset, record.arrived_ms,
        )
        for record, event in arrived
    ]  # fmt: skip
    raw = {
        **ARRIVAL_SCHEMA,
        "event_time": pl.Int64(),
        "event_type": pl.String(),
        "arrived": pl.Int64(),
    }
    time, seen = pl.col("event_time"), pl.col("arrived")
    return pl.DataFrame(rows, schema=raw, orient="row").select(
        pl.from_epoch(time, "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        pl.col("event_type").cast(EVENT_SCHEMA["event_type"]),
        *list(ARRIVAL_SCHEMA)[2:-1],
        seen.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
    )
