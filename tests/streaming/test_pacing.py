"""A log is played at the speed that was asked for."""

from dataclasses import dataclass

import pytest

from cartwise.errors import InputError
from cartwise.streaming.pacing import Pace, parse_speed


@dataclass
class Clock:
    seconds: float = 100.0
    looks: int = 0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def look(self) -> None:
        self.looks += 1


@pytest.mark.parametrize(("text", "speed"), [("60x", 60.0), ("1.5", 1.5), ("MAX", None)])
def test_a_speed_is_read_as_people_write_it(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0x", "-1x", "fast", "x", ""])
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write 1x, 60x or the like, or max"):
        parse_speed(text)


def test_an_hour_of_the_log_takes_a_minute_at_sixty_times_its_speed() -> None:
    clock = Clock()
    pace = Pace(60.0, clock.now, clock.sleep)
    for event_time in (1000, 2800, 2800, 1500, 4600):
        pace.wait_for(event_time, clock.look)
        if event_time == 1500:
            assert clock.seconds == pytest.approx(130), "a late event waits for nothing"
    assert clock.seconds == pytest.approx(160)
    assert clock.looks > 100, "deliveries go on during a wait"


def test_without_a_speed_nothing_waits() -> None:
    clock = Clock()
    pace = Pace(None, clock.now, clock.sleep)
    pace.wait_for(0, clock.look)
    pace.wait_for(10**9, clock.look)
    assert clock == Clock()
