"""A skipped test passes on a desk and fails in CI; what is long begins first."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest

SKIPS = {
    "in the test": "import pytest\ndef test_it(): pytest.skip('no network')\n",
    "by a marker": (
        "import pytest\n@pytest.mark.skip(reason='no network')\ndef test_it(): assert False\n"
    ),
    "of the module": "import pytest\npytest.skip('no network', allow_module_level=True)\n",
}
PASSES = {
    "a passing test": "def test_it(): assert True\n",
    "a known defect": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n",
}


WAYS = {"in one process": (), "in workers": ("-p", "xdist.plugin", "-n", "2")}


def run_pytest(
    folder: Path, test: str, require_all: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    shutil.copy(conftest.__file__, folder / "conftest.py")
    (folder / "test_world.py").write_text(test + "def test_beside(): assert True\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", f"--rootdir={folder}", *arguments, folder],
        env={
            **os.environ,
            "CARTWISE_REQUIRE_ALL": require_all,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("skip", SKIPS.values(), ids=SKIPS)
def test_skip_fails_where_all_are_required(tmp_path: Path, skip: str, way: Sequence[str]) -> None:
    finished = run_pytest(tmp_path, skip, "1", *way)
    assert finished.returncode != 0
    assert "requires every test" in finished.stdout
    assert "no network" in finished.stdout


def test_skip_passes_where_not_all_are_required(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, SKIPS["in the test"], "0").returncode == 0


@pytest.mark.parametrize("test", PASSES.values(), ids=PASSES)
def test_what_ran_passes_where_all_are_required(tmp_path: Path, test: str) -> None:
    assert run_pytest(tmp_path, test, "1").returncode == 0


def test_files_that_are_named_as_long_are_there() -> None:
    files = Path(conftest.__file__).parent.rglob("test_*.py")
    assert set(conftest.LONGEST) <= {"/".join(file.parts[-2:]) for file in files}


@pytest.mark.parametrize(("worker", "begins"), [("gw0", ["b", "c", "a"]), (None, ["a", "b", "c"])])
def test_workers_begin_with_the_long_files(
    monkeypatch: pytest.MonkeyPatch, worker: str | None, begins: list[str]
) -> None:
    long, longer = conftest.LONGEST[4], conftest.LONGEST[0]
    places = {"a": "data/test_lake.py", "b": longer, "c": long}
    items = [SimpleNamespace(name=name, path=Path("/here", path)) for name, path in places.items()]
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    if worker:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    conftest.pytest_collection_modifyitems(items)
    assert [item.name for item in items] == begins
