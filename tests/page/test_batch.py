from pathlib import Path

import pytest

from cartwise.errors import InputError
from cartwise.page.batch import MOST_ROWS, read_batch


def test_rows_are_sorted_into_carts_and_reasons(csv: Path) -> None:
    batch = read_batch(csv)
    assert batch.lines == [2, 6]
    assert batch.carts[0]["event_time"] == "2026-01-01T11:00:00Z"
    assert batch.carts[1]["product_id"] == 2**63 - 1
    assert dict(batch.bad) == {
        3: "breaks price_not_negative",
        4: "is no cart but: view",
        5: "breaks event_time_readable, product_id_readable",
    }


def test_the_type_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "carts.csv"
    path.write_text("event_time,product_id,price,user_id\n2026-01-01 11:00:00 UTC,3,1.5,7\n")
    assert [cart["user_id"] for cart in read_batch(path).carts] == [7]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no CSV"),
        (b"event_time,price,user_id\n1,2,3\n", "lacks the column product_id"),
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
