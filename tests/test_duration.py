"""Durations as people write and read them."""

import pytest

from cartwise.duration import format_duration, parse_duration
from cartwise.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("1 S", 1)]
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "h", "1.5h", "0h", "-1h", "1w", "1h30m", "24", "9999999d", "99999999999h"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="30m or 24h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (10_200, "2 h 50 min"),
        (86_400, "24 h"),
        (604_800, "7 d"),
        (180_061, "2 d 2 h"),
        (61, "1 min 1 s"),
        (0, "0 s"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text
