"""The demonstration, as somebody sees it on the first evening."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from deploy.services.kept import free_port

pytestmark = pytest.mark.integration

COUNTS = r"([\d,]+) (?:ev|ca)"


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_the_demo_opens_a_shop_that_lives_and_ends_with_all_its_processes(tmp_path: Path) -> None:
    api, page = free_port(), free_port()
    program = [
        *(sys.executable, "-m", "cartwise", "demo", "--sessions", "4000", "--days", "5"),
        *("--speed", "max", "--api-port", str(api), "--page-port", str(page)),
    ]
    with subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stderr is not None
        told = []
        for line in demo.stderr:
            told.append(line)
            if "the day is over" in line:
                break
        said = "".join(told)
        assert f"http://127.0.0.1:{page}" in said, said
        events, carts = (
            int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:ev|ca)", told[-1])
        )
        assert events > carts > 0
        assert httpx.get(f"http://127.0.0.1:{api}/readyz").json()["status"] == "ready"
        assert httpx.get(f"http://127.0.0.1:{api}/v1/model").status_code == 401
        assert wait_for(f"http://127.0.0.1:{page}")
        os.kill(demo.pid, signal.SIGINT)
        assert "Closing the shop …" in demo.communicate(timeout=60)[1]
        assert demo.returncode == 0
    for port in (api, page):
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}")
    scores = next(tmp_path.glob("demo/live-*/scores/*.jsonl")).read_text().splitlines()
    assert len(scores) == carts


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_an_interruption_before_the_shop_is_open_is_told_by_the_exit_code(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "cartwise", "demo", "--sessions", "900000"]
    ports = ("--api-port", str(free_port()), "--page-port", str(free_port()))
    with subprocess.Popen([*program, *ports], cwd=tmp_path) as demo:
        while not (tmp_path / "demo").exists():
            assert demo.poll() is None
            time.sleep(0.01)
        os.kill(demo.pid, signal.SIGINT)
        assert demo.wait(60) == 130


def wait_for(url: str) -> bool:
    for _ in range(300):
        try:
            return httpx.get(url).status_code == 200
        except httpx.ConnectError:
            time.sleep(0.2)
    return False
