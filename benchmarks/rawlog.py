"""The log that all contestants read: simulated, as a shop would deliver it."""

from pathlib import Path

from cartwise.data.simulate import simulate

_EVENTS_PER_SESSION = 4.78
_DAYS = 28


def write_raw(folder: Path, events: int) -> int:
    """Simulate about so many events of four weeks as CSV; returns how many they are."""
    sessions = max(1, round(events / _EVENTS_PER_SESSION))
    return simulate(folder, sessions=sessions, days=_DAYS, seed=1).events


def raw_files(folder: Path) -> list[Path]:
    """The files of the log, one per day, in order."""
    return sorted(folder.glob("events-*.csv"))
