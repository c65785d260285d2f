"""What is promised without any extra runs without the packages of every extra."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

from tests.commands import without_settings

PROGRAM = """
import sys
absent = set(sys.argv[1].split())

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Absent())

from importlib import import_module
from cartwise.cli import COMMANDS, main

for command in COMMANDS:
    import_module(f"cartwise.commands.{command.module}")
import cartwise.live_demo, cartwise.page.app, cartwise.serving.server

for line in sys.argv[2:]:
    sys.argv = ["cartwise", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, line
"""


def default_install() -> set[str]:
    """The distributions that come with Cartwise itself, by their normalized names."""
    found, new = set[str](), {"cartwise"}
    while new:
        found |= new
        new = {name for one in new for name in _required(one)} - found
    return found


def _required(distribution: str) -> set[str]:
    try:
        asked = [Requirement(line) for line in requires(distribution) or []]
    except PackageNotFoundError:
        return set()
    return {
        _normalized(one.name)
        for one in asked
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_without_any_extra_a_model_is_trained_tracked_and_promoted_and_all_commands_load(
    tmp_path: Path,
) -> None:
    ours = default_install()
    absent = {
        module
        for module, owners in packages_distributions().items()
        if ours.isdisjoint(map(_normalized, owners)) and module != "tests"
    }
    assert {"flask", "feast", "redis", "confluent_kafka"} <= absent
    lines = [
        "simulate --out raw --sessions 2000 --days 3 -q",
        "run raw --horizon 2h --out out -q",
        "promote --model out/model --training out/training --events out/events --twins 0 -q",
        "models",
    ]
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, " ".join(absent), *lines],
        cwd=tmp_path,
        env=without_settings(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "champion" in told.stdout
