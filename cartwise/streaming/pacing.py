"""How fast a log is played: as fast as it goes, or so many times as fast as it was written."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from cartwise.errors import UsageError

_LONGEST_WAIT_SECONDS = 0.2


def parse_speed(text: str) -> float | None:
    """Seconds of the log per second: ``parse_speed("60x") == 60.0``; None for "max".

    Raises:
        UsageError: it is neither.
    """
    if text.strip().lower() == "max":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x?", text.strip().lower())
    speed = float(match[1]) if match else 0.0
    if not speed > 0:
        raise UsageError(f"'{text}' is no speed: write 1x, 60x or the like, or max")
    return speed


@dataclass
class Pace:
    """Keeps events from being sent before their time.

    Attributes:
        speed: seconds of the log per second; None for no waiting at all.
        now: a clock that only goes forward, in seconds.
        sleep: waits so many seconds.
    """

    speed: float | None
    now: Callable[[], float]
    sleep: Callable[[float], None]
    _first: tuple[int, float] | None = None

    def wait_for(self, event_time: int, meanwhile: Callable[[], None]) -> None:
        """Return when an event's moment has come; a late one's has.

        ``meanwhile`` is called again and again during the wait.
        """
        if self.speed is None:
            return
        if self._first is None:
            self._first = (event_time, self.now())
        first_time, begun = self._first
        due = begun + (event_time - first_time) / self.speed
        while (left := due - self.now()) > 0:
            meanwhile()
            self.sleep(min(left, _LONGEST_WAIT_SECONDS))
