"""A file that is no log is told for what it is, and its bytes stay out of the message."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cartwise.data.sources import inspect
from cartwise.errors import InputError
from cartwise.events import COLUMNS
from tests.data.raw_files import event, write_rows

Make = Callable[[Path, Path], object]


def written(change: Callable[[bytes], bytes]) -> Make:
    return lambda log, file: file.write_bytes(change(log.read_bytes()))


def zipped(log: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(log)


def tarred(log: Path, file: Path) -> None:
    with tarfile.open(file, "w") as archive:
        archive.add(log)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (written(lambda _: b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "a PNG picture"),
        (written(lambda _: b"%PDF-1.7\n"), "a PDF document"),
        (written(bz2.compress), "bzip2: unpack it"),
        (written(lzma.compress), "xz: unpack it"),
        (written(lambda raw: gzip.compress(gzip.compress(raw))), "compressed twice"),
        (written(lambda raw: raw.decode().encode("utf-16")), "UTF-16: save it in UTF-8"),
        (written(lambda raw: raw.decode().encode("utf-16-be")), "no text in UTF-8: give a"),
        (written(lambda raw: raw.replace(b",", b";")), "separated by semicolons"),
        (written(lambda raw: raw.replace(b",", b"\t")), "separated by tabs"),
        (written(lambda _: b'{"event_time": 1}'), "JSON"),
        (written(lambda _: b"\x1b[31mred \xff\x07 alert\n"), r"'\[31mred  alert', is neither"),
        (zipped, "a zip archive"),
        (tarred, "a tar archive"),
    ],
)
def test_a_foreign_file_is_told_for_what_it_is(tmp_path: Path, make: Make, told: str) -> None:
    log = write_rows(tmp_path / "log.csv", [event(), event(price="1")])
    file = tmp_path / "foreign.csv"
    make(log, file)
    with pytest.raises(InputError, match=rf"foreign\.csv is not a CSV of events.*{told}") as caught:
        inspect(file)
    assert str(caught.value).isprintable()


def test_a_log_whose_name_hides_its_compression_is_read(tmp_path: Path) -> None:
    log = write_rows(tmp_path / "log.csv", [event()])
    file = tmp_path / "packed.csv"
    file.write_bytes(gzip.compress(log.read_bytes()))
    assert inspect(file).layout.columns == COLUMNS
