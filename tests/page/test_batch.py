import html
import re
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from cartwise.data.contract import accepted_by
from cartwise.errors import InputError
from cartwise.page.batch import (
    KEPT_SECONDS,
    MOST_ROWS,
    _told,
    _without_carts,
    read_batch,
    score_batch,
    write_download,
)
from cartwise.page.client import Client
from tests.serving.running import running
from tests.serving.worlds import CART_TIME, cart_event, make_world, write_model

HEADER = "event_time,event_type,product_id,price,user_id\n"
CART = "2026-01-01 11:00:00 UTC,cart,3,1.5,7\n"
SCORED = pl.DataFrame({"nudge": [True], "in_hindsight": [False]})


def test_rows_are_sorted_into_carts_and_reasons(csv: Path) -> None:
    batch = read_batch(csv)
    assert batch.lines == [2, 6]
    assert batch.carts[0]["event_time"] == "2026-01-01T11:00:00Z"
    assert batch.carts[1]["product_id"] == 2**63 - 1
    assert batch.types == {"cart": 4, "view": 1}, "a view is nothing bad"
    assert batch.bad == 2
    assert {rule: (one.line, one.value) for rule, one in batch.examples.items()} == {
        "price_not_negative": (3, "-1"),
        "event_time_readable": (5, "yesterday"),
        "product_id_readable": (5, "x"),
    }


def test_the_type_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "carts.csv"
    path.write_text("event_time,product_id,price,user_id\n2026-01-01 11:00:00 UTC,3,1.5,7\n")
    assert [cart["user_id"] for cart in read_batch(path).carts] == [7]


def test_a_type_that_there_is_not_is_told(tmp_path: Path) -> None:
    path = tmp_path / "carts.csv"
    path.write_text(f"{HEADER}{CART.replace('cart', 'vew')}")
    batch = read_batch(path)
    assert (batch.bad, batch.broken) == (1, {"event_type_known": 1})
    assert batch.examples["event_type_known"].value == "vew"


def test_each_broken_rule_is_told_once_with_its_rows_an_example_and_what_is_accepted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "carts.csv"
    sku = CART.replace(",3,", ",<SKU>,")
    path.write_text(HEADER + CART + sku * 60 + sku.replace("1.5", "-1"))
    told = _told(read_batch(path), SCORED)
    cells = [html.unescape(cell) for cell in re.findall(r"<td[^>]*><span>(.*?)</span>", told)]
    assert cells == [
        *("product_id_readable", "61", "line 3: '<SKU>'", accepted_by("product_id_readable")),
        *("price_not_negative", "1", "line 63: '-1'", accepted_by("price_not_negative")),
    ]
    assert "<dt>bad rows</dt><dd>61</dd>" in told


def test_a_row_that_is_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "carts.csv"
    path.write_text(f"brand,{HEADER}{'b' * 70_000},{CART}")
    told = html.unescape(_without_carts(read_batch(path)))
    assert "line 2: 'bbb" in told
    assert "at most 65,536 bytes" in told
    assert "b" * 200 not in told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no CSV"),
        (
            b"event_time,user_id\n1,3\n",
            r"carts.csv lacks .* product_id, price: .* it has event_time, user_id;",
        ),
        (b"event_time;product_id;price;user_id\n1;2;3;4\n", "separated by semicolons"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe,\n\x00\xff", "lacks the column|no CSV"),
        (b"event_time,product_id,price,user_id\n" + b"1,2,3,4\n" * (MOST_ROWS + 1), "at most"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "carts.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_batch(path)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("", "the file holds no row below its first line"),
        ("1,vew,3,1.5,7\n" * 2 + "1,view,3,1.5,7\n", "but there are vew (2), view (1)"),
        ("1,view,3,1.5,7\n1,cart,3,-1.5,7\n", "each breaks a rule, which stands below"),
    ],
)
def test_a_file_without_a_cart_to_score_is_told_what_it_holds(
    tmp_path: Path, rows: str, words: str
) -> None:
    path = tmp_path / "carts.csv"
    path.write_text(HEADER + rows)
    batch = read_batch(path)
    told = _without_carts(batch)
    assert words in told
    assert ("<table" in told) == (batch.bad > 0)


def test_scores_in_hindsight_are_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "carts.csv"
    path.write_text(HEADER + CART + CART.replace("2026", "2027"))
    batch = read_batch(path)
    world = make_world(write_model(tmp_path / "model"))
    world.states.apply([cart_event(time=CART_TIME + 60)])
    with running(world.app) as api, closing(Client(api, world.keys["all"])) as client:
        frame = score_batch(client, batch)
    assert frame["in_hindsight"].to_list() == [True, False]
    assert "In hindsight: 1 of 2 scores." in _told(batch, frame)
    assert "not what was said" not in _told(batch, frame[1:])


def test_scored_files_do_not_pile_up(tmp_path: Path) -> None:
    frame = pl.DataFrame({"probability": [0.5]})
    first = write_download(frame, tmp_path, 0.0)
    second = write_download(frame, tmp_path, first.parent.stat().st_mtime + KEPT_SECONDS / 2)
    assert first.exists()
    third = write_download(frame, tmp_path, second.parent.stat().st_mtime + KEPT_SECONDS + 1)
    assert list(tmp_path.rglob("*.csv")) == [third]
    assert third.read_text() == "probability\n0.5\n"
