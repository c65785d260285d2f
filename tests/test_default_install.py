"""What is promised without any extra runs without the packages of every extra."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

from tests.commands import without_settings

ROOT = Path(__file__).parents[1]

Asked = tuple[str, str]
"""A distribution, and the extra of it that is asked for or nothing."""

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
    """The distributions that come without an extra, by their normalized names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found, new = set[Asked](), set(_asked(project["dependencies"], ""))
    while new:
        found |= new
        new = {asked for name, extra in new for asked in _required(name, extra)} - found
    return {name for name, _ in found}


def _required(distribution: str, extra: str) -> Iterator[Asked]:
    try:
        yield from _asked(requires(distribution) or [], extra)
    except PackageNotFoundError:
        return


def _asked(lines: Iterable[str], extra: str) -> Iterator[Asked]:
    for line in map(Requirement, lines):
        if line.marker is None or line.marker.evaluate({"extra": extra}):
            yield from ((_normalized(line.name), more) for more in ("", *line.extras))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_without_any_extra_a_model_is_trained_and_tracked_and_all_commands_load(
    tmp_path: Path,
) -> None:
    ours = default_install()
    absent = {
        module
        for module, owners in packages_distributions().items()
        if ours.isdisjoint(map(_normalized, owners)) and module not in {"cartwise", "tests"}
    }
    assert {"flask", "feast", "redis", "confluent_kafka"} <= absent
    # With a settings file, the options of all commands are looked at.
    (tmp_path / "cartwise.toml").write_text('horizon = "2h"\n')
    lines = [
        "simulate --out raw --sessions 1200 --days 3 -q",
        "run raw --out out --threads 1 -q",
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
