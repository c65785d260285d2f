import subprocess
import sys
from pathlib import Path

from cartwise.model.bundle import Bundle
from tests.serving.running import running
from tests.serving.worlds import history, make_world


def test_schemathesis_finds_nothing(model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text(f"<!doctype html><title>Report of {Bundle.load(model).version}</title>")
    world = make_world(model, report=report)
    world.states.apply(history())
    with running(world.app) as address:
        found = subprocess.run(
            [
                *(Path(sys.executable).with_name("schemathesis"), "run", "--no-color"),
                *("--header", f"Authorization: {world.headers()['Authorization']}"),
                *("--checks", "all", "--seed", "1", "--max-examples", "15"),
                f"{address}/openapi.json",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert found.returncode == 0, found.stdout
    assert "12 selected / 12 total" in found.stdout
    assert "WARNINGS" not in found.stdout
