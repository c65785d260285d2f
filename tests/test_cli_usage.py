"""The command line around its work: usage, settings, help, and what stops it before or midway."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cartwise.cli import COMMANDS
from tests.commands import Commands
from tests.disks import closed
from tests.samples import sample

REES46 = "rees46-2019-10-01-head.csv"


def test_a_log_without_a_valid_row_is_refused_with_where_to_look(cartwise: Commands) -> None:
    header = sample(REES46).read_text().splitlines()[0]
    Path("garbage.csv").write_text("\n".join([header, *(["a,b,c,d,e,f,g,h,i"] * 9)]))
    told = cartwise("run", "garbage.csv", "--out", "out", "-q")
    assert told.code == 1
    assert "none of the 9 rows" in told.err
    assert "quarantine" in told.err
    told = cartwise("ingest", "garbage.csv", "--out", "events", "-q")
    assert told.code == 1
    assert "none of the 9 rows" in told.err
    assert list(Path("events/quarantine").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("arguments", [["--help"], ["simulate", "--sessions", "9", "--out", "raw"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_takes_nothing_is_one_sentence(
    tmp_path: Path, arguments: list[str], unbuffered: str
) -> None:
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [sys.executable, "-m", "cartwise", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert told.returncode == 1
    assert "the standard output cannot be written: No space left on device" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_progress_that_nobody_can_be_told_of_ends_no_work(tmp_path: Path, unbuffered: str) -> None:
    program = [sys.executable, "-m", "cartwise", "simulate", "--sessions", "9", "--out", "raw"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            program,
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stderr=full,
            stdout=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 0
    assert b"Simulated log" in done.stdout
    assert list((tmp_path / "raw").iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "--sessions", "9", "--out", b"b\xff"],
        ["ingest", "raw.csv", "--out", b"b\xff"],
        ["ingest", "raw.csv", "--out", b"b\xff/lake"],
        ["run", "raw.csv", "--no-track", "--out", b"b\xff"],
    ],
)
def test_a_place_whose_name_is_not_utf_8_is_refused(
    tmp_path: Path, arguments: list[str | bytes]
) -> None:
    (tmp_path / "raw.csv").write_text(sample(REES46).read_text())
    program = [sys.executable, "-m", "cartwise", *arguments]
    told = subprocess.run(program, cwd=tmp_path, capture_output=True, check=False)
    assert told.returncode == 1
    assert told.stderr.endswith(b"is a name that is not UTF-8: choose another\n")
    assert b"Traceback" not in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["raw.csv"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_signs_that_an_output_cannot_show_are_escaped(tmp_path: Path, encoding: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "cartwise", "simulate", "--sessions", "9", "--out", "магазин"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert rb"\u043c" in told.stdout


def test_a_terminal_that_goes_away_ends_no_work(tmp_path: Path) -> None:
    terminal, stderr = os.openpty()
    program = [sys.executable, "-m", "cartwise", "simulate", "--sessions", "3000", "--out", "raw"]
    with subprocess.Popen(program, cwd=tmp_path, stderr=stderr, stdout=subprocess.DEVNULL) as work:
        os.close(stderr)
        assert os.read(terminal, 1), "it has begun to tell"
        os.close(terminal)
    assert work.returncode == 0
    assert list((tmp_path / "raw").iterdir())


@pytest.mark.parametrize("arguments", [["--version"], ["simulate", "--sessions=9", "--out=raw"]])
@pytest.mark.parametrize("closed_output", ["1>&-", "2>&-", "0<&- 1>&-"])
def test_an_output_that_is_closed_is_no_error(
    tmp_path: Path, arguments: list[str], closed_output: str
) -> None:
    program = shlex.join([sys.executable, "-m", "cartwise", *arguments])
    told = subprocess.run(
        ["sh", "-c", f"{program} {closed_output}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0
    assert "Traceback" not in told.stderr
    for file in tmp_path.glob("raw/*.csv"):
        assert file.read_text().startswith("event_time,")


def test_what_lies_below_a_closed_folder_is_named(cartwise: Commands) -> None:
    Path("closed").mkdir()
    for arguments in [
        ("train", "--training", "closed/training", "--out", "model"),
        ("train", "--training", "training", "--out", "closed/model"),
        ("ingest", "closed/log.csv", "--out", "events"),
        ("simulate", "--sessions", 5, "--out", "closed/raw"),
    ]:
        with closed("closed"):
            told = cartwise(*arguments, "-q")
        assert told.code == 1
        assert told.err.startswith("cartwise: closed/")
        assert "permissions" in told.err
        assert told.err.count("\n") == 1


def test_events_from_a_pipe_are_refused_with_what_to_do(cartwise: Commands) -> None:
    os.mkfifo("pipe.csv")
    holder = os.open("pipe.csv", os.O_RDWR)
    told = cartwise("ingest", "pipe.csv", "--out", "events", "-q")
    os.close(holder)
    assert told.code == 1
    assert "pipe.csv is a pipe" in told.err


def end_of(arguments: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    """How a command ends, which has to be soon."""
    command = [sys.executable, "-m", "cartwise", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("pipe", ["cartwise.toml", "model/model.ubj"])
def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path, pipe: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/spec.json").write_text("{}")
    os.mkfifo(tmp_path / pipe)
    told = end_of(
        ("score", "--model", "model", "--events", "events", "--out", "scores.csv"), tmp_path
    )
    assert told.returncode == 1
    assert told.stderr == (
        f"cartwise: {pipe} is a pipe, which can be read but once: make it a file first\n"
    )


PIPE = "pipe is a pipe, which can be read but once: make it a file first"
DEVICE = "/dev/zero is a device, which may never end: make it a file first"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("keys", "list", "--keys", "pipe"), PIPE),
        (("keys", "list", "--keys", "/dev/zero"), DEVICE),
        (("run", "log.csv", "--truth", "pipe", "--out", "out", "--no-track"), PIPE),
        (("score", "--model", "x", "--events", "x", "--out", "pipe.csv"), "'pipe.csv' exists"),
    ],
)
def test_what_never_ends_is_not_waited_for(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    for name in ("pipe", "pipe.csv"):
        os.mkfifo(tmp_path / name)
    ended = end_of(arguments, tmp_path)
    assert ended.stderr.startswith(f"cartwise: {told}")
    assert ended.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "pipe.csv"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("ingest", "loop", "--out", "events"),
        ("ingest", "log.csv", "--out", "loop/events"),
        ("run", "log.csv", "--out", "loop/out", "--no-track"),
        ("features", "--events", "loop", "--out", "training"),
    ],
)
def test_a_loop_of_links_is_one_sentence(cartwise: Commands, arguments: tuple[str, ...]) -> None:
    Path("loop").symlink_to("loop")
    Path("log.csv").write_text("\n".join(sample(REES46).read_text().splitlines()[:9]))
    told = cartwise(*arguments, "-q")
    assert told.code == 1
    assert "loop" in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["run", "--no-such-option"], ["no-such-command"], ["run"]])
def test_wrong_usage_ends_with_2(cartwise: Commands, arguments: list[str]) -> None:
    assert cartwise(*arguments).code == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--horizon", "24"),
        ("--horizon", "-1h"),
        ("--horizon", "soon"),
        ("--margin", "7"),
        ("--margin", "nan"),
        ("--memory", "nan"),
        ("--memory", "much"),
        ("--memory", "0"),
        ("--out", "events.csv"),
    ],
)
def test_a_value_that_cannot_be_is_named_and_ends_with_2(
    cartwise: Commands, option: str, value: str
) -> None:
    sample = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,"
    Path("events.csv").write_text(sample + "user_session\n")
    told = cartwise("run", "events.csv", "--out", "out", f"{option}={value}", "--no-track", "-q")
    assert told.code == 2
    assert value in told.err
    assert not Path("out").exists()
    assert cartwise("simulate", "--out", "events.csv", "--sessions", "5").code == 2


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--label-scope", "sessions", "'sessions' is not one of 'user', 'session'"),
        ("--margin", "25", "a margin of 25.0 is no share of the price"),
        ("--nudge-cost", "-1", "a nudge cannot cost -1.0"),
        ("--bought-anyway", "1", "1.0 cannot be bought anyway"),
    ],
)
def test_a_value_that_cannot_be_is_told_without_inner_names(
    cartwise: Commands, option: str, value: str, told: str
) -> None:
    said = cartwise("run", "events.csv", "--out", "out", option, value).err
    assert f"Invalid value for '{option}': {told}" in said


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("simulate", "--sessions", "5", "--out", ""), "'--out'"),
        (("simulate", "--out=", "--sessions", "5"), "'--out'"),
        (("ingest", "", "--out", "events"), "an argument"),
        (("store", "dump", "--out", ""), "'--out'"),
        (("keys", "create", "ci", "--keys", ""), "'--keys'"),
        (("archive", "--lake", ""), "'--lake'"),
    ],
)
def test_nothing_is_not_taken_for_the_current_folder(
    cartwise: Commands, arguments: tuple[str, ...], name: str
) -> None:
    told = cartwise(*arguments)
    assert told.code == 2
    assert f"Invalid value for {name}: it is empty" in told.err
    assert not list(Path().iterdir())


def test_the_list_of_commands_loads_none_of_them() -> None:
    program = "import sys; from cartwise.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    program += "print('polars' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True
    )
    for command in COMMANDS:
        assert command.help in " ".join(told.stdout.split())
    assert told.stdout.endswith("False\n")


def test_a_command_loads_no_library_that_nobody_asked_for() -> None:
    program = "import sys; from cartwise.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    program += "print('xgboost' in sys.modules, 'sklearn' in sys.modules)\nimport sklearn.metrics"
    arguments = [sys.executable, "-c", program, "train", "--help"]
    told = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert told.stdout.endswith("True False\n")


def test_every_option_can_be_set_in_the_file(cartwise: Commands) -> None:
    Path("cartwise.toml").write_text('[simulate]\njson = true\nformat = "parquet"\nsessions = 20')
    told = cartwise("simulate", "--out", "raw")
    assert json.loads(told.out)["events"] > 0
    assert list(Path("raw").glob("events-*.parquet"))


@pytest.mark.parametrize("text", ['horizn = "1h"', "[runn]\nseed = 1", "[run]\nsed = 1", "seed ="])
def test_a_mistake_in_the_settings_file_is_explained(cartwise: Commands, text: str) -> None:
    Path("cartwise.toml").write_text(text)
    told = cartwise("ingest", "x", "--out", "out")
    assert told.code == 1
    assert "cartwise.toml" in told.err


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing_half_written(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    program = [sys.executable, "-m", "cartwise", "simulate", "--out", "raw", "--sessions", "900000"]
    child = subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE)
    while not (tmp_path / "raw").exists():
        assert child.poll() is None
    os.kill(child.pid, number)
    _, told = child.communicate()
    assert child.returncode == code
    lines = told.decode().splitlines()
    assert lines[-1] == ("cartwise: interrupted; nothing is half-written: run it again")
    assert list(tmp_path.rglob("*.csv")) == []


def test_threads_wait_passively_unless_the_environment_says_otherwise(
    cartwise: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY")
    cartwise("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    cartwise("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "active"


def test_version_names_the_program(cartwise: Commands) -> None:
    assert cartwise("--version").out.startswith("cartwise 0.")
