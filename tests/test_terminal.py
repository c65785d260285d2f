"""Progress: bars on a terminal, lines elsewhere, nothing when quiet."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress as Bars
from rich.text import Text

from cartwise import terminal
from cartwise.progress import Silent
from cartwise.tables import columns_table
from cartwise.terminal import BarProgress, LineProgress, amount, open_progress


def test_lines_tell_speed_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 20.0, 20.0, 40.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    with LineProgress().task("replay", 4_000_000, "event") as advance:
        advance(1_000_000)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "replay: 1.0 M events of 4.0 M events in 20.0 s, 50.0 k events/s, 60 s left"


def test_bars_show_name_and_amount() -> None:
    screen = io.StringIO()
    with BarProgress(Console(file=screen, force_terminal=True, width=120)).task(
        "replay", 10, "event"
    ) as advance:
        advance(10)
    assert "replay" in screen.getvalue()
    assert "10 events" in screen.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("unit", ["byte", "session"])
def test_a_bar_takes_one_line_at_any_width(width: int, unit: str) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width)
    with BarProgress(console).task("train on all but the test", 150_000_000, unit) as advance:
        advance(150_000_000)
    last = Text.from_ansi(screen.getvalue()).plain.strip().splitlines()[-1]
    assert f"150.0 M {unit}s" in last
    assert "0:00:00" in last


def test_the_time_left_is_not_guessed_from_the_first_moments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 14.8, 14.8, 15.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    with LineProgress().task("label carts", 28, "day") as advance:
        advance(1)
    assert capsys.readouterr().err.splitlines()[0] == "label carts: 1 day of 28 days in 14.8 s"


def test_a_bar_guesses_the_time_left_no_sooner_than_a_line() -> None:
    def shown(done: int) -> str:
        now, left = [0.0], terminal._Left()
        with Bars(left, get_time=lambda: now[0], auto_refresh=False) as bars:
            task = bars.add_task("label carts", total=1000)
            for second in (1.0, 2.0, 3.0):
                now[0] = second
                bars.advance(task, done / 3)
            return left(bars.tasks[0]).plain

    assert shown(2) == "-:--:--"
    assert shown(600) == "0:00:02"


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    progress = open_progress(quiet=True)
    assert isinstance(progress, Silent)
    progress.say("nothing")
    assert capsys.readouterr().err == ""


def test_not_a_terminal_gets_lines() -> None:
    assert isinstance(open_progress(), LineProgress)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (12, "12 days"),
        (1, "1 day"),
        (1500, "1.5 k days"),
        (2.5e6, "2.5 M days"),
        (3e9, "3.0 G days"),
    ],
)
def test_amounts_read_as_people_say_them(number: float, text: str) -> None:
    assert amount(number, "day") == text


@pytest.mark.parametrize("width", [40, 60, 70, 120])
def test_a_table_keeps_its_title_values_and_caption_at_any_width(width: int) -> None:
    table = columns_table("Carts", "part", "carts", "bought", "from", "to")
    table.add_row("train", "1,234", "12.3%", "2019-11-08 00:00", "2019-11-09 23:59")
    table.caption = "bought: within 24 h, by the same user"
    screen = io.StringIO()
    Console(file=screen, width=width).print(table, crop=False)
    told = screen.getvalue()
    for text in ("Carts", "train", "1,234", "12.3%", "2019-11-08 00:00", "2019-11-09 23:59"):
        assert text in told
    assert "bought: within 24 h, by the same user" in " ".join(told.split())
