"""The pipeline of dvc.yaml, run by DVC itself in a repository of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from copy import copy
from io import StringIO
from pathlib import Path

import pytest
import yaml

from cartwise.data.simulate import simulate
from cartwise.model.bundle import Bundle
from cartwise.model.parameters import Parameters, read_parameters

pytestmark = pytest.mark.filterwarnings("ignore")  # of DVC and its libraries

ROOT = Path(__file__).parents[1]
DAYS = 9
SESSIONS = 9_000


class Repository:
    """A git and DVC repository with this project's pipeline, and a remote beside it."""

    def __init__(self, folder: Path, remote: str | None = None) -> None:
        self.folder = folder / "shop"
        self.folder.mkdir()
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy(ROOT / name, self.folder / name)
        shutil.copytree(ROOT / ".dvc", self.folder / ".dvc", ignore=lambda *_: {"tmp", "cache"})
        self("git", "init", "-q")
        self("git", "config", "user.email", "test@example.com")
        self("git", "config", "user.name", "Test")
        self("dvc", "remote", "add", "-d", "store", remote or str(folder / "remote"))

    def clone(self, folder: Path) -> "Repository":
        """What somebody else has after ``git clone``."""
        self("git", "clone", "-q", ".", str(folder))
        other = copy(self)
        other.folder = folder
        return other

    def __call__(self, program: str, *arguments: str) -> str:
        """Run git or DVC here, with this Python's commands on the path; returns what it tells."""
        code, told = self._dvc(arguments) if program == "dvc" else self._git(arguments)
        assert code == 0, f"{program} {arguments}: {told}"
        return told

    def _dvc(self, arguments: tuple[str, ...]) -> tuple[int, str]:
        """In this process: a new one spends seconds on its imports, and there are a dozen."""
        from dvc.cli import main  # noqa: PLC0415 - slow to import

        told = StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(told),
        ):
            # DVC's colours would put back the standard output of its first command.
            patch.setattr("colorama.reinit", lambda: None)
            patch.setattr("colorama.deinit", lambda: None)
            for name in [name for name in os.environ if name.startswith("CARTWISE_")]:
                patch.delenv(name)
            patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
            patch.setenv("DVC_NO_ANALYTICS", "1")
            patch.setenv("CARTWISE_QUIET", "1")
            return main(list(arguments)), told.getvalue()

    def _git(self, arguments: tuple[str, ...]) -> tuple[int, str]:
        git = subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        return git.returncode, git.stdout + git.stderr

    def commit(self) -> None:
        self("git", "add", "-A")
        self("git", "commit", "-q", "-m", "state")

    def digests(self) -> dict[str, str]:
        lock = yaml.safe_load((self.folder / "dvc.lock").read_text())
        outputs = [output for stage in lock["stages"].values() for output in stage["outs"]]
        return {output["path"]: output["md5"] for output in outputs}


def test_a_pipeline_is_repeated_shared_and_extended_by_a_day(tmp_path: Path) -> None:
    simulate(tmp_path / "raw", sessions=SESSIONS, days=DAYS, seed=3)
    days = sorted((tmp_path / "raw").glob("*.csv"))
    repository = Repository(tmp_path)
    month = repository.folder / "data" / "raw" / "2019-11"
    month.mkdir(parents=True)
    for day in days[:-1]:
        shutil.copy(day, month)
    repository("dvc", "add", "-q", "data/raw/2019-11")
    repository("dvc", "repro", "-q")
    repository.commit()
    first = repository.digests()
    assert Bundle.load(repository.folder / "data/model").metrics["auc"] is not None

    # Twice the same state, twice the same bytes; and nothing is done without need.
    repository("dvc", "repro", "-q", "-f", "-s", "train")
    assert repository.digests() == first
    assert "up to date" in repository("dvc", "repro")

    # Elsewhere, everything comes from the remote.
    repository("dvc", "push", "-q")
    for gone in ("data/events", "data/training", "data/trained", "data/model", ".dvc/cache"):
        shutil.rmtree(repository.folder / gone)
    repository("dvc", "pull", "-q")
    assert "up to date" in repository("dvc", "repro")

    # A new day: old days of the training set are those of before, and old files are not read.
    training = repository.folder / "data/training"
    before = {path.name: path.read_bytes() for path in training.glob("train/*.parquet")}
    shutil.copy(days[-1], month)
    repository("dvc", "add", "-q", "data/raw/2019-11")
    repository("dvc", "repro", "-q")
    after = {path.name: path.read_bytes() for path in training.glob("train/*.parquet")}
    shared = [name for name in before if name in after]
    assert sum(before[name] == after[name] for name in shared) >= len(shared) - 1
    assert repository.digests()["data/model"] != first["data/model"]
    report = json.loads((repository.folder / "data/events/ingest.json").read_text())
    assert [Path(source["path"]).name for source in report["sources"]] == [days[-1].name]

    # Both states side by side: figures and curves.
    figures = json.loads((repository.folder / "evaluation/metrics.json").read_text())
    changed = json.loads(repository("dvc", "metrics", "diff", "--json"))["evaluation/metrics.json"]
    assert changed["auc"]["new"] == figures["auc"]
    assert changed["auc"]["new"] - changed["auc"]["old"] == pytest.approx(changed["auc"]["diff"])
    shown = json.loads(repository("dvc", "plots", "show", "--json"))["data"]
    assert {"evaluation/plots/gain.csv", "evaluation/plots/reliability.csv"} <= set(shown)
    repository("dvc", "plots", "diff", "HEAD", "--out", "plots")
    page = (repository.folder / "plots/index.html").read_text()
    assert all(one in page for one in ("Gain", "Said and done", "HEAD", "workspace"))


@pytest.mark.parametrize("name", ["features", "train", "evaluate"])
def test_the_parameters_of_the_file_are_the_commands_defaults(name: str) -> None:
    """Who runs the pipeline and who types the commands gets the same model."""
    from typer.main import get_command  # noqa: PLC0415

    from cartwise.cli import build_app  # noqa: PLC0415

    given = yaml.safe_load((ROOT / "params.yaml").read_text())[name]
    command = vars(get_command(build_app({name})))["commands"][name]
    defaults = {parameter.name: parameter.default for parameter in command.params}
    assert given == {key: defaults[key] for key in given}


def test_the_hyper_parameters_of_the_file_are_the_defaults() -> None:
    assert read_parameters(ROOT / "params.yaml") == Parameters()
