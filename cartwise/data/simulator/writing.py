"""Writes the simulated log as day files in the layout of the public log, and the truth beside."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, TypeAlias, get_args

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cartwise.data.simulator.eventlog import NO_SESSION, Events
from cartwise.data.simulator.people import outside_ids
from cartwise.data.simulator.randomness import Flags, Ints, Trait, mixed
from cartwise.data.simulator.shop import Shop
from cartwise.events import EVENT_TYPES, SECONDS_PER_DAY

Format: TypeAlias = Literal["csv", "csv.zst", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
TRUTH_FILE = "truth.parquet"
TRUTH_MEANS = {"horizon_seconds": "86400", "label_scope": "user"}
"""What the truth is the probability of, in the file's own metadata."""

_HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint8).reshape(256, 2)
_DASHES = (8, 13, 18, 23)
_HEX_PLACES = [place for place in range(36) if place not in _DASHES]


class Sink(Protocol):
    """A file that takes one frame after the other."""

    def write(self, frame: pl.DataFrame) -> None:
        """Append these rows."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class LogWriter:
    """Writes events, which come in order of time, to one file per day."""

    def __init__(self, shop: Shop, folder: Path, form: Format) -> None:
        self._shop, self._folder, self._form = shop, folder, form
        self._truth: Sink = _ParquetSink(folder / TRUTH_FILE, TRUTH_MEANS)
        self._log: Sink | None = None
        self._day: int | None = None

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            stack.callback(self._truth.close)
            if self._log is not None:
                stack.callback(self._log.close)

    def write(self, day: int, events: Events) -> None:
        """Append events of that day (days since the epoch), and the truth that they carry."""
        frame = _frame(self._shop, events)
        self._log_of(day).write(frame.drop("purchase_probability"))
        self._truth.write(_truth(frame))

    def _log_of(self, day: int) -> Sink:
        if self._log is None or day != self._day:
            if self._log is not None:
                self._log.close()
            self._day = day
            name = f"events-{date(1970, 1, 1) + timedelta(day)}.{self._form}"
            self._log = _SINKS[self._form](self._folder / name)
        return self._log


class _CsvSink:
    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = self._open(path)
        self._begun = False

    def write(self, frame: pl.DataFrame) -> None:
        text = BytesIO()
        frame.write_csv(
            text,
            include_header=not self._begun,
            datetime_format="%Y-%m-%d %H:%M:%S UTC",
            float_precision=2,
        )
        self._begun = True
        self._file.write(text.getbuffer())

    def close(self) -> None:
        self._file.close()

    def _open(self, path: Path) -> BinaryIO:
        return path.open("wb")


class _ZstandardCsvSink(_CsvSink):
    def _open(self, path: Path) -> BinaryIO:
        stream: BinaryIO = pa.CompressedOutputStream(str(path), "zstd")
        return stream


class _ParquetSink:
    def __init__(self, path: Path, facts: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._facts = facts
        self._writer: pq.ParquetWriter | None = None

    def write(self, frame: pl.DataFrame) -> None:
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        table = table.replace_schema_metadata(self._facts)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


_SINKS: dict[Format, type[_CsvSink | _ParquetSink]] = {
    "csv": _CsvSink,
    "csv.zst": _ZstandardCsvSink,
    "parquet": _ParquetSink,
}


def _frame(shop: Shop, events: Events) -> pl.DataFrame:
    """The nine columns of the log and the truth, rows as they come."""
    category = shop.category[events.product]
    return pl.DataFrame(
        {
            "event_time": events.time.astype("datetime64[s]").astype("datetime64[us]"),
            "event_type": pl.Series(EVENT_TYPES).gather(events.kind),
            "product_id": shop.product_ids[events.product],
            "category_id": shop.category_ids[category],
            "category_code": shop.category_codes.gather(category),
            "brand": shop.brand_names.gather(shop.brand[events.product]),
            "price": shop.price(events.product, events.time // SECONDS_PER_DAY),
            "user_id": outside_ids(events.person),
            "user_session": _session_texts(shop.seed, events.session),
            "purchase_probability": events.probability,
        }
    ).with_columns(pl.col("event_time").dt.replace_time_zone("UTC"))


def _truth(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("purchase_probability").is_not_nan()).select(
        "user_session",
        "user_id",
        "product_id",
        pl.col("event_time").alias("cart_time"),
        "purchase_probability",
    )


def _session_texts(seed: int, sessions: Ints) -> pl.Series:
    """Each session's number as a UUID, null for ``NO_SESSION``."""
    halves = [mixed(seed, Trait.SESSION_ID, half, sessions) for half in (0, 1)]
    octets = np.stack(halves, axis=1).astype("<u8").view(np.uint8).reshape(-1, 16)
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    text = np.full((len(sessions), 36), ord("-"), np.uint8)
    text[:, _HEX_PLACES] = _HEX[octets].reshape(-1, 32)
    return _strings(text, sessions == NO_SESSION)


def _strings(text: NDArray[np.uint8], missing: Flags) -> pl.Series:
    ends = np.arange(len(text) + 1, dtype=np.int32) * text.shape[1]
    array = pa.StringArray.from_buffers(len(text), pa.py_buffer(ends), pa.py_buffer(text))
    return pl.Series(array).set(pl.Series(missing), None)
