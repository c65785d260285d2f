"""With CARTWISE_REQUIRE_ALL=1, as in CI, a skipped test counts as failed: it has shown nothing."""

import os
import shutil
import signal
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# Two threads that train shall not burn what others compute with, only to wait for each other; it is
# read when the library is loaded, here and in every process that a test starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import hypothesis
import prometheus_client  # noqa: F401 - before Feast, which would change how it keeps values
import pytest

from tests.commands import Commands, forget_settings

# How long an example takes is the machine's, not the code's.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# By folder and name, those that mostly wait and those that compute in turns.
LONGEST = (
    "integration/test_lifecycle.py",
    "tests/test_cli.py",
    "docs/test_documents.py",
    "page/test_in_the_browser.py",
    "model/test_tuning.py",
    "integration/test_stream_faults.py",
    "tests/test_promotion.py",
    "serving/test_processes.py",
    "tests/test_dvc.py",
    "page/test_client.py",
    "model/test_evaluation.py",
    "data/test_publication.py",
    "integration/test_demo.py",
    "tests/test_strangers_shop.py",
    "tests/test_quality_benchmarks.py",
    "tests/test_cli_usage.py",
    "tests/test_default_install.py",
)

REQUIRE_ALL = os.environ.get("CARTWISE_REQUIRE_ALL") == "1"


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"not run, but CARTWISE_REQUIRE_ALL=1 requires every test: {reason}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where processes share the files, begin with the long ones: at the end nobody waits for one
    that began last."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        places = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(autouse=True)
def _metrics_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing Feast asks for metrics of several processes, of which none can be cleared."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Ctrl-C ends, here and in what is started: what a shell runs in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The ``Shop`` of ``tests.shops``, with two models. Not to be changed."""
    # Imported late: whoever runs a quick test shall not wait seconds for XGBoost.
    return import_module("tests.shops").make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where MLflow has made its tables, which takes a second. Not to be changed."""
    store = import_module("cartwise.model.mlflow_store")
    place = store.Tracking(folder=tmp_path_factory.mktemp("tables") / "mlruns")
    with store.opened(place, store.OutputError, "{reason}"):
        return place.folder


@pytest.fixture
def mlruns(mlflow_tables: Path, tmp_path: Path) -> Path:
    """A folder for runs and models in which there are none yet."""
    return Path(shutil.copytree(mlflow_tables, tmp_path / "mlruns"))


@pytest.fixture
def cartwise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Commands:
    """The command line, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    forget_settings(monkeypatch)
    return Commands(monkeypatch, capsys)
