"""Starting and ending servers: whatever is missing, taken, deaf or gone."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.services import environment
from deploy.services.fleet import NAMES, Fleet
from deploy.services.kept import Kept
from deploy.services.process import Process
from deploy.services.server import Server, Unavailable

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


class Failing(Server):
    name = "failing"

    def prepare(self) -> None:
        pass

    def command(self) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no disk is left')"]

    def answers(self) -> bool:
        return False

    def addresses(self) -> dict[str, str]:
        return {}


def started(folder: Path, program: str) -> Process:
    """A process that has said its first word."""
    process = Process(folder)
    process.start([sys.executable, "-c", program], {})
    while not process.last_words():
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("name", ["redis", "kafka"])
def test_a_missing_program_is_named_with_its_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Unavailable, match="apt install"):
        Fleet(tmp_path).start(name)


def test_a_server_that_ends_instead_of_answering_is_quoted(tmp_path: Path) -> None:
    server = Failing(tmp_path / "failing")
    with pytest.raises(Unavailable, match="no disk is left"):
        server.start()
    assert not server.process.runs()


def test_what_does_not_hear_the_signal_is_killed(tmp_path: Path) -> None:
    process = started(tmp_path, DEAF)
    process.end(signal.SIGTERM, seconds=0.2)
    assert not process.runs()


def test_another_command_finds_and_ends_what_was_started(tmp_path: Path) -> None:
    process = started(tmp_path, "import time\nprint('up', flush=True)\ntime.sleep(600)")
    other = Process(tmp_path)
    assert other.runs()
    other.end(signal.SIGTERM, seconds=10)
    assert not process.runs()


def test_a_stranger_with_the_pid_of_old_is_left_alone(tmp_path: Path) -> None:
    earlier = psutil.Process().create_time() - 3600
    (tmp_path / "pid").write_text(f"{os.getpid()} {earlier}")
    process = Process(tmp_path)
    assert not process.runs()
    process.kill()


def test_secrets_are_random_kept_and_private(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    secret = Kept(path).secret("password")
    assert Kept(path).secret("password") == secret
    assert Kept(tmp_path / "other.json").secret("password") != secret
    assert path.stat().st_mode & 0o077 == 0


def test_a_port_is_kept_until_somebody_else_listens_there(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "settings.json")
    port = kept.port()
    kept.renew_taken_ports()
    assert kept.port() == port
    with socket.create_server(("127.0.0.1", port)):
        kept.renew_taken_ports()
    assert kept.port() != port


def test_addresses_are_private_and_read_as_they_were_written(tmp_path: Path) -> None:
    path, addresses = tmp_path / "env", {"A": "redis://:x=y@127.0.0.1:1/0", "B": "2"}
    environment.write(addresses, path)
    assert environment.read(path) == addresses
    assert path.stat().st_mode & 0o077 == 0


def test_what_needs_others_ends_before_them(tmp_path: Path) -> None:
    order = [server.name for group in Fleet(tmp_path).in_order_of_end() for server in group]
    assert sorted(order) == sorted(NAMES)
    assert order.index("mlflow") < min(order.index("postgres"), order.index("s3"))


def test_no_port_is_kept_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([20_001, 20_001, 20_001, 20_002])
    monkeypatch.setattr("deploy.services.kept.free_port", lambda: next(drawn))
    kept = Kept(tmp_path / "kept.json")
    assert [kept.port("port"), kept.port("grpc_port")] == [20_001, 20_002]
