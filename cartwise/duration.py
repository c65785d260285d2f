"""Durations as people write them: ``30m``, ``24h``, ``7d``."""

import re
from typing import Final

from cartwise.errors import UsageError

UNITS: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}

LONGEST: Final = 3650 * UNITS["d"]


def parse_duration(text: str) -> int:
    """Seconds of a duration: ``parse_duration("30m") == 1800``; raises UsageError."""
    match = re.fullmatch(r"(\d+)\s*([smhd])", text.strip().lower())
    seconds = int(match[1]) * UNITS[match[2]] if match and len(match[1]) <= 9 else 0
    if not 0 < seconds <= LONGEST:
        raise UsageError(
            f"'{text}' is not a duration: write a whole number and s, m, h or d, such as 30m or "
            "24h, of ten years at most"
        )
    return seconds


def format_duration(seconds: int) -> str:
    """A duration in its two largest units: ``format_duration(10_200) == "2 h 50 min"``."""
    names = {"d": "d", "h": "h", "m": "min", "s": "s"}
    if seconds < 2 * UNITS["d"]:
        names.pop("d")
    parts: list[str] = []
    for unit, name in names.items():
        count, seconds = divmod(seconds, UNITS[unit])
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
