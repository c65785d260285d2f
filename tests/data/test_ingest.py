import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwise.checksums import SUMS
from cartwise.data import ingest as ingesting
from cartwise.data import sources
from cartwise.data.contract import check
from cartwise.data.ingest import ConservationError, ingest
from cartwise.data.ingest_report import IngestReport
from cartwise.events import COLUMNS, EVENT_SCHEMA
from tests.data.raw_files import (
    FORMATS,
    Row,
    at,
    event,
    files_of,
    line,
    write_lines,
    write_rows,
    write_text,
)
from tests.data.slow_ingest import slow_ingest
from tests.samples import sample

DAY_FILE = "event_date=2019-10-01/events.parquet"


def lake(out: Path) -> pl.DataFrame:
    """All events of a lake, day after day."""
    days = [pl.read_parquet(file, hive_partitioning=False) for file in day_files(out)]
    return pl.concat([EVENT_SCHEMA.to_frame(), *days])


def day_files(out: Path) -> list[Path]:
    return sorted(out.glob("event_date=*/events.parquet"))


def quarantine(out: Path) -> pl.DataFrame:
    files = sorted((out / "quarantine").glob("*.parquet"))
    return pl.concat(map(pl.read_parquet, files))


def conserves(report: IngestReport) -> bool:
    return report.rows_in == report.rows_out + report.duplicates + report.quarantined


TIMES = st.sampled_from(
    [
        "2019-10-01 00:00:00 UTC",
        "2019-10-01 23:59:59 UTC",
        "2019-10-02 00:00:00 UTC",
        "2019-10-01T00:00:00Z",
        "2019-10-01T02:00:00+02:00",
        "2019-10-01 12:00:00",
        "2019-10-01 12:00:00.75",
        "2019-10-01 25:00:00 UTC",
        "1969-12-31 23:59:59 UTC",
        "yesterday",
        "",
    ]
)
PRICES = st.sampled_from(["0", "0.0", "12.50", "12.5", "-0.0", "-1", "nan", "inf", "1e3", "x", ""])
IDS = st.sampled_from(["1", "+1", "2", str(2**63 - 1), str(2**63), "1.5", "-7", " 1", ""])
TEXTS = st.sampled_from(["", "a", "ä", "a,b", 'say "hi"', "'"])
ROWS = st.builds(
    event,
    event_time=TIMES,
    event_type=st.sampled_from(["view", "cart", "remove_from_cart", "purchase", "View", ""]),
    price=PRICES,
    product_id=IDS,
    user_id=IDS,
    category_id=IDS,
    brand=TEXTS,
    category_code=TEXTS,
    user_session=TEXTS,
)
GOOD_ROWS = st.builds(
    at,
    st.sampled_from(["00:00:00", "12:00:00", "12:00:01"]),
    product_id=st.sampled_from("12"),
    brand=st.sampled_from(["", "a"]),
)
MALFORMED = st.sampled_from(["", "a,b", '"', "2019-10-01 00:00:00 UTC,view,1", "," * 9])
LOGS = st.lists(GOOD_ROWS | ROWS, min_size=1, max_size=12)


def assert_is_truth(out: Path, report: IngestReport, rows: list[Row | None]) -> None:
    truth = slow_ingest(rows)
    assert lake(out).rows() == truth.events
    assert report.rows_in == len(rows)
    assert report.duplicates == truth.duplicates
    assert report.rows_out == len(truth.events)
    assert report.quarantined == len(truth.refused)
    if truth.refused:
        assert [set(rules) for rules in quarantine(out)["rules"]] == [
            set(rules) for _, rules in truth.refused
        ]


@settings(max_examples=40)
@given(rows=LOGS, ending=st.sampled_from(FORMATS), chunk_rows=st.sampled_from([1, 3, 100]))
def test_every_row_becomes_what_the_contract_says(
    rows: list[Row], ending: str, chunk_rows: int
) -> None:
    with TemporaryDirectory() as folder:
        source = write_rows(Path(folder) / f"log{ending}", rows)
        out = Path(folder) / "lake"
        report = ingest([source], out, chunk_rows=chunk_rows)
        assert_is_truth(out, report, list(rows))
        first_place = 1 if ending == ".parquet" else 2
        if report.quarantined:
            places = [place + first_place for place, _ in slow_ingest(list(rows)).refused]
            assert quarantine(out).select("source", "line").rows() == [
                (str(source), place) for place in places
            ]


@settings(max_examples=25)
@given(st.lists(GOOD_ROWS | ROWS | MALFORMED, min_size=1, max_size=12))
def test_malformed_lines_do_not_touch_their_neighbours(lines: list[Row | str]) -> None:
    with TemporaryDirectory() as folder:
        text = [row if isinstance(row, str) else line(row) for row in lines]
        report = ingest([write_lines(Path(folder) / "log.csv", text)], Path(folder) / "lake")
        rows = [None if isinstance(row, str) else row for row in lines]
        assert_is_truth(Path(folder) / "lake", report, rows)


@settings(max_examples=20)
@given(
    rows=LOGS,
    cuts=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    chunk_rows=st.sampled_from([1, 4, 100]),
)
def test_overlapping_files_and_repeated_runs_double_nothing(
    rows: list[Row], cuts: tuple[int, int], chunk_rows: int
) -> None:
    end, start = max(1, *cuts), min(len(rows) - 1, *cuts)
    with TemporaryDirectory() as folder:
        raw, out = Path(folder) / "raw", Path(folder) / "lake"
        write_rows(raw / "a.csv", rows[:end])
        write_rows(raw / "b.parquet", rows[start:])
        reports = [ingest([raw], out, chunk_rows=chunk_rows) for _ in range(2)]
        assert all(map(conserves, reports))
        assert reports[1].rows_out == 0
        assert lake(out).rows() == slow_ingest([*rows[:end], *rows[start:]]).events
        once = Path(folder) / "once"
        ingest([raw], once)
        assert files_of(out) == files_of(once)


def test_the_bytes_of_a_day_do_not_depend_on_how_it_arrived(tmp_path: Path) -> None:
    rows = [
        at(
            f"{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}",
            user_id=str(number),
        )
        for number in range(0, 86_400, 29)
    ]
    whole = ingest([write_rows(tmp_path / "log.csv", rows)], tmp_path / "whole")
    assert whole.rows_out == len(rows)
    for ending in FORMATS:
        source = write_rows(tmp_path / f"again{ending}", rows)
        ingest([source], tmp_path / f"lake{ending}", chunk_rows=700)
    write_rows(tmp_path / "halves" / "1.csv", rows[:2000])
    write_rows(tmp_path / "halves" / "2.parquet", rows[1000:])
    ingest([tmp_path / "halves"], tmp_path / "lake.halves")
    for number, half in enumerate((rows[:1500], rows[1500:])):
        ingest([write_rows(tmp_path / f"{number}.csv", half)], tmp_path / "lake.later")

    lakes = sorted(tmp_path.glob("lake*"))
    assert len(lakes) == len(FORMATS) + 2
    for out in lakes:
        assert files_of(out) == files_of(tmp_path / "whole"), out


def test_ties_keep_the_order_of_the_sources(tmp_path: Path) -> None:
    for name, brands in (("b", "14"), ("a", "23")):
        write_rows(tmp_path / f"{name}.csv", [at("00:00:00", brand=brand) for brand in brands])
    ingest([tmp_path / "b.csv", tmp_path / "a.csv"], tmp_path / "lake")
    assert lake(tmp_path / "lake")["brand"].to_list() == ["1", "4", "2", "3"]


def test_events_of_the_lake_come_before_new_ones_of_the_same_second(tmp_path: Path) -> None:
    for brand in "31":
        source = write_rows(tmp_path / "log.csv", [at("00:00:00", brand=brand)])
        assert ingest([source], tmp_path / "lake").rows_out == 1
    assert lake(tmp_path / "lake")["brand"].to_list() == ["3", "1"]


def test_events_are_parted_by_their_day_in_utc(tmp_path: Path) -> None:
    times = ("2019-10-02T01:00:00+03:00", "2019-10-02 00:00:00 UTC", "2019-10-01 23:59:59 UTC")
    source = write_rows(tmp_path / "log.csv", [event(event_time=time) for time in times])
    ingest([source], tmp_path / "lake", chunk_rows=1)
    found = {
        file.parent.name: pl.read_parquet(file).height for file in day_files(tmp_path / "lake")
    }
    assert found == {"event_date=2019-10-01": 2, "event_date=2019-10-02": 1}


def test_a_lake_holds_the_nine_columns_and_nothing_else(tmp_path: Path) -> None:
    ingest([write_rows(tmp_path / "log.csv", [event()])], tmp_path / "lake")
    assert pl.read_parquet_schema(tmp_path / "lake" / DAY_FILE) == EVENT_SCHEMA
    sums = DAY_FILE.replace("events.parquet", SUMS)
    assert set(files_of(tmp_path / "lake")) == {DAY_FILE, sums}


def test_the_report_lies_in_the_lake_and_reads_back(tmp_path: Path) -> None:
    rows = [event(), event(), event(price="0"), event(price="-1"), event(user_session="")]
    report = ingest([write_rows(tmp_path / "log.csv", rows)], tmp_path / "lake")
    assert (report.rows_in, report.rows_out, report.duplicates, report.quarantined) == (5, 3, 1, 1)
    assert report.by_rule == {"price_not_negative": 1}
    assert report.flagged == {"price_zero": 1, "session_missing": 1}
    assert report.first_event == report.last_event == "2019-10-01T00:00:00+00:00"
    written = json.loads((tmp_path / "lake" / "ingest.json").read_text())
    assert IngestReport.from_dict(written) == report


def test_a_mended_source_leaves_no_quarantine_behind(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "log.csv", [event(), event(price="x")])
    ingest([source], tmp_path / "lake")
    assert quarantine(tmp_path / "lake").height == 1
    write_rows(source, [event(), event(price="1")])
    report = ingest([source], tmp_path / "lake")
    assert (report.rows_out, report.duplicates) == (1, 1)
    assert not list((tmp_path / "lake" / "quarantine").iterdir())


def test_rows_lost_on_the_way_are_noticed_and_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No input makes this program lose a row, so that the defect is put in by hand.
    monkeypatch.setattr(ingesting, "check", lambda rows: check(rows.head(-1)))
    source = write_rows(tmp_path / "log.csv", [event(), at("00:00:01")])
    with pytest.raises(ConservationError, match="2 rows were read, but 1 are accounted for"):
        ingest([source], tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def test_carriage_returns_a_byte_order_mark_and_a_cut_last_line_do_no_harm(tmp_path: Path) -> None:
    rows = [at(f"00:00:0{second}", brand="ä") for second in range(5)]
    text = "\r\n".join(["\ufeff" + ",".join(COLUMNS), *map(line, rows)])
    report = ingest([write_text(tmp_path / "log.csv", text[:-60])], tmp_path / "lake")
    assert (report.rows_out, report.by_rule) == (4, {"fields_match_header": 1})
    assert lake(tmp_path / "lake").rows() == slow_ingest([*rows[:4]]).events


def test_a_missing_header_is_no_loss(tmp_path: Path) -> None:
    source = write_text(tmp_path / "log.csv", f"{line(event())}\n{line(event(price='x'))}\n")
    report = ingest([source], tmp_path / "lake")
    assert report.rows_out == 1
    assert quarantine(tmp_path / "lake")["line"].to_list() == [2]


def test_lines_are_counted_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 2**20)
    rows = [line(at("12:00:00", user_id=str(number))) for number in range(80_000)]
    for place in (1, 40_000, 79_999):
        rows[place] = line(event(price=str(-place)))
    source = write_lines(tmp_path / "log.csv", rows)
    assert source.stat().st_size > 2 * sources._BLOCK_BYTES
    report = ingest([source], tmp_path / "lake")
    assert report.quarantined == 3
    assert quarantine(tmp_path / "lake")["line"].to_list() == [3, 40_002, 80_001]


OCTOBER = "rees46-2019-10-01-head.csv"
NOVEMBER = "rees46-2019-11-random-rows.csv"
COSMETICS = "cosmetics-2019-q4-heads.csv"


def test_the_real_october_sample_has_its_known_dirt(tmp_path: Path) -> None:
    report = ingest([sample(OCTOBER)], tmp_path / "lake")
    assert (report.rows_in, report.rows_out, report.duplicates) == (17_435, 17_429, 5)
    assert (report.quarantined, report.by_rule) == (1, {"fields_match_header": 1})
    assert report.flagged == {"price_zero": 19, "session_missing": 0}
    assert report.first_event == "2019-10-01T00:00:00+00:00"
    cut = quarantine(tmp_path / "lake")
    assert cut["line"].to_list() == [17_436]
    assert sample(OCTOBER).read_bytes().endswith(b"\n" + cut["text"][0].encode())

    events = lake(tmp_path / "lake")
    users = events.group_by("user_session").agg(pl.col("user_id").n_unique())["user_id"]
    pairs = events.filter(event_type="cart").select("user_session", "product_id").unique()
    assert ((users > 1).sum(), users.len(), pairs.height) == (1, 5_066, 127)


def test_the_real_november_sample_comes_into_log_order(tmp_path: Path) -> None:
    report = ingest([sample(NOVEMBER)], tmp_path / "lake", chunk_rows=1_000)
    assert (report.rows_in, report.rows_out, report.quarantined) == (10_034, 10_034, 0)
    assert lake(tmp_path / "lake")["event_time"].is_sorted()
    assert len(day_files(tmp_path / "lake")) == 30


def test_the_real_cosmetics_sample_keeps_its_removals(tmp_path: Path) -> None:
    report = ingest([sample(COSMETICS)], tmp_path / "lake")
    assert (report.rows_in, report.rows_out, report.duplicates) == (2_997, 2_851, 146)
    distinct = set(sample(COSMETICS).read_text().splitlines()[1:])
    assert len(distinct) == report.rows_out
    kinds = Counter(line.split(",")[1] for line in distinct)
    assert Counter(lake(tmp_path / "lake")["event_type"]) == kinds
    assert kinds["remove_from_cart"] > 100


def test_overlapping_parts_of_a_real_log_make_the_log(tmp_path: Path) -> None:
    header, *lines = sample(OCTOBER).read_bytes().splitlines(keepends=True)
    for name, part in (("1.csv", lines[:9_000]), ("2.csv", lines[7_000:])):
        write_text(tmp_path / "raw" / name, header + b"".join(part))
    report = ingest([tmp_path / "raw"], tmp_path / "lake")
    ingest([sample(OCTOBER)], tmp_path / "whole")
    assert report.duplicates == 2_000 + 5
    assert (tmp_path / "lake" / DAY_FILE).read_bytes() == (
        tmp_path / "whole" / DAY_FILE
    ).read_bytes()
