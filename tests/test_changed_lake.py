"""Files, or a lake, that change while something is made of them: nothing appears."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartwise.checksums import SUMS
from cartwise.data.ingest import ingest
from cartwise.data.labels import LabelSettings
from cartwise.data.lake import stored_days
from cartwise.data.log import Log
from cartwise.data.simulate import simulate
from cartwise.data.training_set import TrainingSetSettings, build
from cartwise.errors import InputError
from cartwise.model.training import train
from cartwise.progress import Advance, Silent
from cartwise.scoring import score
from tests.model.conftest import QUICK

SETTINGS = TrainingSetSettings(LabelSettings(4 * 3600))


class Interfering(Silent):
    """Lets something happen when a task begins."""

    def __init__(self, task: str, happen: Callable[[], object]) -> None:
        self._task = task
        self._happen = happen

    @contextmanager
    def task(self, name: str, total: int | None, unit: str) -> Iterator[Advance]:
        if name == self._task:
            self._happen()
        with super().task(name, total, unit) as advance:
            yield advance


@pytest.fixture
def raw(tmp_path: Path) -> list[Path]:
    simulate(tmp_path / "raw", sessions=3000, days=4, seed=3)
    return sorted((tmp_path / "raw").glob("events-*"))


@pytest.fixture
def lake(raw: list[Path], tmp_path: Path) -> Path:
    """It lacks every tenth event of the files."""
    header, *rows = "".join(file.read_text() for file in raw).splitlines()
    some = [row for place, row in enumerate(rows) if place % 10 and row != header]
    (tmp_path / "some.csv").write_text("\n".join([header, *some]) + "\n")
    ingest([tmp_path / "some.csv"], tmp_path / "lake")
    return tmp_path / "lake"


@pytest.mark.parametrize("moment", ["label carts", "replay"])
def test_no_training_set_mixes_two_lakes(lake: Path, raw: list[Path], moment: str) -> None:
    out = lake.parent / "training"
    progress = Interfering(moment, lambda: ingest(raw, lake))
    with pytest.raises(InputError, match="meanwhile: run this again"):
        build(lake, out, SETTINGS, progress=progress)
    assert not out.exists()
    build(lake, out, SETTINGS)


@pytest.mark.parametrize("moment", ["label carts", "replay"])
def test_a_day_that_comes_meanwhile_is_left_for_the_next_time(
    lake: Path, raw: list[Path], moment: str
) -> None:
    late = raw[-1].read_text().replace("2019-11-11", "2019-11-12")
    (lake.parent / "late.csv").write_text(late)
    build(lake, lake.parent / "before", SETTINGS)
    progress = Interfering(moment, lambda: ingest([lake.parent / "late.csv"], lake))
    build(lake, lake.parent / "training", SETTINGS, progress=progress)
    assert len(stored_days(lake)) == 5
    sums = [(lake.parent / name / SUMS).read_bytes() for name in ("before", "training")]
    assert sums[0] == sums[1]


def test_no_scores_mix_two_lakes(lake: Path, raw: list[Path]) -> None:
    build(lake, lake.parent / "training", SETTINGS)
    model = train(lake.parent / "training", lake.parent / "model", QUICK).model
    out = lake.parent / "scores.parquet"
    with pytest.raises(InputError, match="meanwhile"):
        score(model, lake, out, progress=Interfering("score", lambda: ingest(raw, lake)))
    assert not out.exists()


def test_a_file_that_changes_while_it_is_read_is_not_taken_for_known(raw: list[Path]) -> None:
    log, out = raw[0], raw[0].parent / "new-lake"
    whole = log.read_bytes()

    def cut() -> None:
        log.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InputError, match="changed while it was read: ingest it again"):
        ingest([log], out, skip_known=True, progress=Interfering("reading", cut))
    log.write_bytes(whole)
    report = ingest([log], out, skip_known=True)
    assert report.rows_in == len(whole.splitlines()) - 1


def test_files_may_change_that_are_read_already_or_known(raw: list[Path]) -> None:
    known, log, out = raw[0], raw[1], raw[0].parent / "new-lake"
    ingest([known], out, skip_known=True)
    ingest([known, log], out, skip_known=True, progress=Interfering("reading", known.touch))
    whole = out.with_name("whole-lake")
    ingest([known, log], whole, progress=Interfering("writing days", log.unlink))
    assert Log.read(whole).version == Log.read(out).version


def test_what_goes_wrong_in_a_lake_that_stays_is_told_as_it_is(lake: Path) -> None:
    with pytest.raises(ZeroDivisionError), Log.read(lake).held():
        raise ZeroDivisionError
