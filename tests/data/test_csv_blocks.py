import csv
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cartwise.data.csv_blocks import blocks, line_count, read_block, read_layout
from cartwise.data.raw_rows import RawRows
from cartwise.errors import InputError
from cartwise.events import COLUMNS
from tests.data.raw_files import event, line

NAMES = ",".join(COLUMNS)
PATH = Path("events.csv")
LONG = "x" * (csv.field_size_limit() + 1)
INTACT = b",".join(str(number).encode() for number in range(9))
FIELDS = st.lists(
    st.text('a5 ,"\r\0ä\x85\u2028', max_size=3).map(str.encode) | st.just(b"\xff"),
    max_size=len(COLUMNS) + 1,
)
LINES = st.just(INTACT) | FIELDS.map(b",".join).map(lambda text: text.replace(b"\n", b""))


def rows_of(rows: RawRows) -> list[tuple[object, ...]]:
    fields = rows.fields.select("line", *COLUMNS)
    malformed = rows.malformed
    return [*fields.rows(), *malformed.rows()]


@given(lines=st.lists(LINES, min_size=1, max_size=6), ended=st.booleans())
@example(lines=[INTACT, INTACT + b",1", INTACT[:-2]], ended=True)
@example(lines=[INTACT, b"", INTACT], ended=False)
def test_a_line_is_read_alike_alone_and_among_others(lines: list[bytes], *, ended: bool) -> None:
    block = b"\n".join(lines) + (b"\n" if ended or not lines[-1] else b"")
    together = read_block(block, COLUMNS, 1)
    alone = [read_block(text + b"\n", COLUMNS, 1 + place) for place, text in enumerate(lines)]

    assert len(rows_of(together)) == line_count(block) == len(lines)
    assert sorted(map(repr, rows_of(together))) == sorted(
        repr(row) for rows in alone for row in rows_of(rows)
    )


@given(st.lists(st.text('a5 ,"ä', max_size=4), min_size=9, max_size=9))
def test_fields_that_a_csv_writer_wrote_come_back(fields: list[str]) -> None:
    row = dict(zip(COLUMNS, fields, strict=True))
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        rows = read_block(f"{line(row, quoting=quoting)}\r\n".encode(), COLUMNS, 1)
        assert rows.fields.select(COLUMNS).row(0) == tuple(text or None for text in fields)


@given(
    text=st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"\r\n"]), max_size=30).map(b"".join),
    block_bytes=st.integers(4, 40),
)
def test_blocks_end_where_lines_end_and_lose_nothing(text: bytes, block_bytes: int) -> None:
    try:
        cut = list(blocks(BytesIO(text), block_bytes, PATH))
    except InputError:
        assert max(map(len, text.split(b"\n"))) >= block_bytes
        return
    assert b"".join(cut) == text
    assert all(block.endswith(b"\n") for block in cut[:-1])
    assert sum(map(line_count, cut)) == len(text.removesuffix(b"\n").split(b"\n")) * bool(text)


def test_a_line_longer_than_a_block_is_refused() -> None:
    with pytest.raises(InputError, match=r"events\.csv has a line of over 10 bytes"):
        list(blocks(BytesIO(b"x" * 30), 10, PATH))


def test_refused_lines_are_told_with_their_text_and_number() -> None:
    block = b"\n".join([INTACT, b'stray " quote', b"caf\xe9", INTACT])
    rows = read_block(block, COLUMNS, 7)
    assert rows.fields["line"].to_list() == [7, 10]
    assert rows.malformed.rows() == [
        (8, ["fields_match_header"], 'stray " quote'),
        (9, ["fields_match_header", "text_is_utf8"], "caf\\xe9"),
    ]


def test_texts_are_the_lines_of_an_intact_block() -> None:
    texts = read_block(INTACT + b"\r\n" + INTACT + b"\n", COLUMNS, 3).texts()
    assert texts.select("line", "text").rows() == [(3, INTACT.decode()), (4, INTACT.decode())]


def test_columns_come_in_the_order_of_the_contract_without_the_rest() -> None:
    columns = ("extra", *reversed(COLUMNS))
    rows = read_block(b"x,9,8,7,6,5,4,3,2,1\n", columns, 1)
    assert rows.fields.select(pl.exclude("line")).row(0) == tuple("123456789")


@pytest.mark.parametrize(
    ("start", "columns", "has_header"),
    [
        (f"{NAMES}\nx", COLUMNS, True),
        (f"\ufeff{NAMES}\r\nx", COLUMNS, True),
        (f"\ufeff\ufeff{NAMES}\nx", COLUMNS, True),
        (f"\ufeff\ufeff{line(event())}", COLUMNS, False),
        (NAMES.replace(",", " , ") + "\nx", COLUMNS, True),
        (f"{NAMES},{LONG}\nx", (*COLUMNS, LONG), True),
        (line(event(brand=LONG)), COLUMNS, False),
        (NAMES.replace("event_time", '"event_time"') + "\nx", COLUMNS, True),
        (f"more, {NAMES}\nx", ("more", *COLUMNS), True),
        (f"{NAMES}\n", COLUMNS, True),
        (line(event()), COLUMNS, False),
        (line(event(event_type="", brand="", user_session="")), COLUMNS, False),
    ],
)
def test_layout_is_told_from_the_first_line(
    start: str, columns: tuple[str, ...], *, has_header: bool
) -> None:
    layout = read_layout(start.encode(), PATH)
    assert (layout.columns, layout.has_header) == (columns, has_header)
    assert layout.has_rows == (start != f"{NAMES}\n")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\x89PNG\r\n\x1a\n", "is not a CSV of events"),
        (b"<!DOCTYPE html>\n<html>", "is not a CSV of events"),
        (b"a\rb\rc", "its lines end in CR alone, as on old Macs: end them in LF or CRLF"),
        (f"{NAMES}\r{line(event())}\r".encode(), "its lines end in CR alone"),
        (f"{line(event())}\r{line(event())}\r".encode(), "its lines end in CR alone"),
        (b"\xff\xfe" + NAMES.encode("utf-16-le"), "is not a CSV of events"),
        (NAMES.replace(",", ";").encode(), "is not a CSV of events"),
        (b"\n", "is not a CSV of events"),
        (
            NAMES.replace("price", "cost").encode() + b"\nx",
            "lacks the column.s. price: add or rename them; it has event_time, .*, cost, user_id,",
        ),
        (
            NAMES.replace("event_time", "Event_Time").replace("price", "PRICE").encode(),
            "capitals or blanks: rename 'Event_Time' to event_time, 'PRICE' to price$",
        ),
        (NAMES.upper().encode(), "'EVENT_TIME' to event_time, .*, 'USER_SESSION' to user_session$"),
        (NAMES.upper().replace(",", ";").encode(), "separated by semicolons"),
        (NAMES.encode() + b",price\nx", "more than one column 'price'"),
    ],
)
def test_what_is_no_event_file_is_refused(start: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_layout(start, PATH)
