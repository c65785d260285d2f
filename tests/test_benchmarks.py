"""The benchmarks compare equals with equals: peers compute what Cartwise computes."""

import json
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("duckdb", reason="the extra 'bench' is not installed")

from benchmarks import features, ingest
from benchmarks.__main__ import main
from benchmarks.contest import Contestant, ContestantFailed, measure
from benchmarks.figure import Disagreement, Figure, require, run
from benchmarks.rawlog import raw_files, write_raw
from cartwise.data.ingest import ingest as write_lake
from cartwise.events import COLUMNS

EVENTS = 6_000
PEERS = ("duckdb", "polars")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "raw"
    write_raw(folder, EVENTS)
    return folder


@pytest.fixture(scope="module")
def lake(raw: Path) -> Path:
    """The simulated log, and at its end a day of whatever peers may stumble over."""
    day = raw.parent / "odd-day.csv"
    rows = [
        "2019-12-06 10:00:00 UTC,cart,1,10,,,5.0,1,",
        "2019-12-06 10:00:00 UTC,view,1,,,acme,0.0,1,aaaa",
        "2019-12-06 10:00:00 UTC,cart,1,10,,acme,0.0,1,aaaa",
        "2019-12-06 10:00:00 UTC,cart,1,10,,acme,7.5,1,aaaa",
        "2019-12-06 10:00:00 UTC,purchase,1,10,,acme,7.5,2,aaaa",
        "2019-12-06 10:00:01 UTC,remove_from_cart,2,10,,,7.5,2,aaaa",
        "2019-12-06 10:00:01 UTC,cart,2,10,,,7.5,2,aaaa",
        "2019-12-06 23:59:59 UTC,cart,2,10,,acme,1.5,1,bbbb",
    ]
    day.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    write_lake([*raw_files(raw), day], raw.parent / "lake")
    return raw.parent / "lake"


def _result(module: str, source: Path, folder: Path) -> Path:
    out = folder / module
    out.mkdir()
    import_module(f"benchmarks.{module}").run(source, out)
    return out


@pytest.fixture(scope="module")
def replayed(lake: Path) -> Path:
    return _result("features_replay", lake, lake.parent)


@pytest.mark.parametrize("peer", PEERS)
def test_peers_give_the_feature_values_of_the_replay(
    peer: str, lake: Path, replayed: Path, tmp_path: Path
) -> None:
    theirs = _result(f"features_{peer}", lake, tmp_path)

    features.require_equal(replayed, theirs)

    carts = pl.read_parquet(theirs / "features.parquet")
    assert carts["shop_view_28d"].min() > 0
    assert carts.filter(user_session="aaaa").height == 2


def test_the_training_set_has_the_feature_values_of_the_replay(
    lake: Path, replayed: Path, tmp_path: Path
) -> None:
    features.require_equal(_result("features_cartwise", lake, tmp_path), replayed)


def test_a_single_other_value_is_a_disagreement(replayed: Path, tmp_path: Path) -> None:
    is_first = pl.int_range(pl.len()) == 0
    changed = pl.col("user_view_7d") * pl.when(is_first).then(1.00001).otherwise(1.0)
    pl.read_parquet(replayed / "features.parquet").with_columns(changed).write_parquet(
        tmp_path / "features.parquet"
    )

    with pytest.raises(Disagreement, match="user_view_7d differs in 1 of"):
        features.require_equal(replayed, tmp_path)


@pytest.mark.parametrize("peer", PEERS)
def test_peers_ingest_the_same_lake(peer: str, raw: Path, tmp_path: Path) -> None:
    ours = _result("ingest_cartwise", raw, tmp_path)

    ingest.require_equal(ours, _result(f"ingest_{peer}", raw, tmp_path))


def test_two_swapped_events_are_a_disagreement(raw: Path, tmp_path: Path) -> None:
    ours, theirs = (
        _result("ingest_cartwise", raw, tmp_path),
        _result("ingest_polars", raw, tmp_path),
    )
    file = min(theirs.rglob("*.parquet"))
    events = pl.read_parquet(file, hive_partitioning=False)
    events[::-1].write_parquet(file)

    with pytest.raises(Disagreement, match="the events of event_date=2019-11-08 differ"):
        ingest.require_equal(ours, theirs)


def test_a_missing_package_is_told_with_its_extra() -> None:
    absence = Contestant("Peer", "no.module", "no_such_package", "bench").absence()

    assert absence == "no_such_package is not installed: make extra NAME=bench"


def test_missing_java_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    absence = Contestant("Spark", "no.module", needs_java=True).absence()

    assert absence is not None
    assert "openjdk-17-jre-headless" in absence


def test_a_contestant_that_fails_is_told_with_its_last_words(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ContestantFailed, match=r"(?s)Peer failed.*No module named 'no_such_peer'"):
        measure(Contestant("Peer", "no_such_peer"), raw, raw, tmp_path / "out")


def test_a_contestant_that_is_absent_does_not_stop_the_others(raw: Path, tmp_path: Path) -> None:
    ours = Contestant("Ours", "benchmarks.ingest_polars")
    absent = Contestant("Absent", "no.module", "no_such_package", "bench")
    figure = Figure("ingest", "a job", "events", (ours, absent), ingest.require_equal, {})

    outcome = run(figure, raw, raw, EVENTS, tmp_path / "figure")

    [measured, missing] = outcome.facts()["contestants"]
    assert measured["times_cartwise"] == 1.0
    assert measured["peak_bytes"] > 10_000_000
    assert missing["absence"].startswith("no_such_package is not installed")


def test_a_disagreement_ends_the_run_and_names_figure_and_contestant(
    raw: Path, tmp_path: Path
) -> None:
    def require_equal(_ours: Path, theirs: Path) -> None:
        require(theirs.name == "Ours", "the days differ")

    pair = [Contestant(name, "benchmarks.ingest_polars") for name in ("Ours", "Other")]
    figure = Figure("ingest", "a job", "events", pair, require_equal, {})

    with pytest.raises(Disagreement, match="ingest: Other is not equal: the days differ"):
        run(figure, raw, raw, EVENTS, tmp_path / "figure")


def test_the_command_prints_one_json_object_with_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, chosen = ["--events", "3000", "--figures", "ingest"], ["--only", "Polars"]

    assert main([*log, *chosen, "--json", "--scratch", str(tmp_path)]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert facts["machine"]["polars"] == pl.__version__
    [figure] = facts["figures"]
    assert [one["name"] for one in figure["contestants"]] == ["Cartwise", "Polars"]
    assert all(one["events_per_second"] > 0 for one in figure["contestants"])
    assert list(tmp_path.iterdir()) == []
