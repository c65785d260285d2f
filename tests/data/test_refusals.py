"""What a person is told of rows that were refused: an example for every rule that they broke."""

import json
from pathlib import Path

import polars as pl
import pytest

from cartwise.data import ingest as ingesting
from cartwise.data import sources
from cartwise.data.contract import ACCEPTED, EventContract, accepted_by, column_of
from cartwise.data.ingest import ingest
from cartwise.data.ingest_report import IngestReport
from tests.commands import Commands
from tests.data.raw_files import FORMATS, at, event, line, write_lines, write_rows, write_text

GOOD = [at(f"00:00:0{second}") for second in range(3)]


def words(told: str) -> str:
    """What was told, however it was wrapped."""
    return " ".join(told.split())


@pytest.mark.parametrize(
    ("rule", "fields", "told"),
    [
        ("event_time_readable", {"event_time": "1.10.2019"}, "'1.10.2019'"),
        ("event_type_known", {"event_type": "add_to_cart"}, "'add_to_cart'"),
        ("product_id_readable", {"product_id": "SKU-7", "brand": "a, b"}, "'SKU-7'"),
        ("price_not_negative", {"price": "-3.50"}, "'-3.50'"),
        ("user_id_given", {"user_id": ""}, "''"),
    ],
)
@pytest.mark.parametrize("ending", FORMATS)
def test_the_summary_shows_where_a_rule_was_broken_and_what_it_accepts(
    cartwise: Commands, ending: str, rule: str, fields: dict[str, str], told: str
) -> None:
    source = write_rows(Path(f"log{ending}"), [*GOOD, event(**fields), event(**fields)])
    said = words(cartwise("ingest", source, "--out", "events", "-q").out)
    place = "row 4" if ending == ".parquet" else "line 5"
    assert f"{rule} 2, such as log{ending}, {place}: {told} (accepted: {accepted_by(rule)})" in said


@pytest.mark.parametrize(
    ("rule", "text", "told"),
    [
        ("fields_match_header", b"a,b", "'a,b' (accepted: a field for each column"),
        ("text_is_utf8", line(event(brand="é")).encode("latin-1"), r"\xe9,130.76"),
    ],
)
def test_a_line_that_is_none_is_shown_whole(
    cartwise: Commands, rule: str, text: bytes, told: str
) -> None:
    write_lines(Path("log.csv"), [*map(line, GOOD), text])
    said = words(cartwise("ingest", "log.csv", "--out", "events", "-q").out)
    assert f"{rule} 1, such as log.csv, line 5: '" in said
    assert told in said


def test_native_values_are_shown_as_text(tmp_path: Path) -> None:
    columns = {name: [value] for name, value in event().items()}
    seconds = pl.Series([-5]).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({**columns, "price": [-0.5], "event_time": seconds})
    frame.write_parquet(tmp_path / "log.parquet")
    examples = ingest([tmp_path / "log.parquet"], tmp_path / "lake").examples
    assert examples["price_not_negative"].value == "-0.5"
    assert examples["event_time_in_range"].value.startswith("1969-12-31 23:59:59")


def test_the_first_row_of_all_files_and_blocks_is_shown(
    cartwise: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 300)
    wrong = [event(price=str(-number)) for number in range(1, 40)]
    write_rows(Path("raw/1.csv"), GOOD)
    write_rows(Path("raw/2.csv"), [*GOOD, *GOOD, *wrong])
    write_rows(Path("raw/3.csv"), wrong[::-1])
    said = words(cartwise("ingest", "raw", "--out", "events", "-q").out)
    assert "price_not_negative 78, such as raw/2.csv, line 8: '-1' (accepted" in said


@pytest.mark.parametrize("ending", FORMATS)
def test_all_event_types_that_are_not_known_are_counted(
    cartwise: Commands, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 300)
    kinds = ["add", *["view_item"] * 7, *["add"] * 2, "\tpay", *(f"t{n:02}" for n in range(12))]
    write_rows(Path(f"log{ending}"), [*GOOD, *(event(event_type=kind) for kind in kinds)])
    told = cartwise("ingest", f"log{ending}", "--out", "events", "-q")
    types = ", ".join(f"'t{number:02}' 1" for number in range(7))
    assert rf"; by type: 'view_item' 7, 'add' 3, '\tpay' 1, {types}, others 5" in words(told.out)
    write_rows(Path(f"bad{ending}"), [event(event_type=kind) for kind in kinds[:8]])
    told = cartwise("ingest", f"bad{ending}", "--out", "none", "-q")
    assert told.err.endswith("or purchase); by type: 'view_item' 7, 'add' 1\n")


@pytest.mark.parametrize(("wrong", "warned"), [(3, False), (4, True)])
def test_a_summary_warns_where_most_rows_were_refused(
    cartwise: Commands, wrong: int, *, warned: bool
) -> None:
    write_rows(Path("log.csv"), [*GOOD, *[event(event_type="pay")] * wrong])
    told = cartwise("ingest", "log.csv", "--out", "events", "-q")
    assert told.code == 0
    assert ("57% of the rows were refused: mend the log" in words(told.out)) is warned


def test_event_types_are_counted_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "MOST_TYPES", 5)
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 3000)
    kinds = [f"{number}" * 1000 for number in range(30)]
    file = write_rows(tmp_path / "log.csv", [event(event_type=kind) for kind in kinds])
    types = ingest([file], tmp_path / "lake").unknown_types
    assert len(types) == 5
    assert max(map(len, types)) == 120


def test_columns_in_another_order_show_the_field_that_is_wrong(cartwise: Commands) -> None:
    order = ["price", "user_id", *(name for name in event() if name not in {"price", "user_id"})]
    rows = [line(row, order) for row in [*GOOD, event(user_id="7a")]]
    write_text(Path("log.csv"), "\n".join([",".join(order), *rows]))
    assert "line 5: '7a'" in words(cartwise("ingest", "log.csv", "--out", "events", "-q").out)


def test_a_value_cannot_write_on_the_terminal_and_is_cut_short(cartwise: Commands) -> None:
    rows = [event(user_id="\x1b[31m\t\u202e7"), event(product_id="9" * 5000)]
    write_rows(Path("log.csv"), [*GOOD, *rows])
    told = cartwise("ingest", "log.csv", "--out", "events", "-q").out
    assert r"'\x1b[31m\t\u202e7'" in words(told)
    assert not {"\x1b", "\t", "\u202e"} & set(told)
    assert 100 < told.count("9") < 200
    assert "9…'" in told


def test_machines_get_the_examples_too(cartwise: Commands) -> None:
    write_rows(Path("log.csv"), [*GOOD, event(event_type="buy\t"), event(price="x")])
    told = cartwise("ingest", "log.csv", "--out", "events", "-q", "--json")
    facts = json.loads(told.out)
    assert facts["by_rule"] == {"event_type_known": 1, "price_readable": 1}
    assert facts["examples"].keys() == facts["by_rule"].keys()
    assert facts["examples"]["event_type_known"] == {
        "source": "log.csv",
        "unit": "line",
        "line": 5,
        "value": "buy\t",
        "accepted": "view, cart, remove_from_cart or purchase",
    }


def test_an_error_over_all_rows_shows_each_rule_once(cartwise: Commands) -> None:
    write_rows(Path("log.csv"), [event(price="1,99", user_id="anna"), event(price="2,50")])
    ingested = cartwise("ingest", "log.csv", "--out", "events", "-q")
    run = cartwise("run", "log.csv", "--out", "out", "--no-track", "-q")
    for told, lake in ((ingested, "events"), (run, "out/events")):
        assert (told.code, told.out) == (1, "")
        sentence, price, user = told.err.splitlines()
        assert sentence.startswith("cartwise: none of the 2 rows is a valid event")
        assert f"{lake}/quarantine" in sentence
        assert price.startswith("  price_readable: 2, such as log.csv, line 2: '1,99' (accepted: ")
        assert user.startswith("  user_id_readable: 1, such as log.csv, line 2: 'anna' (accepted: ")
    told = cartwise("ingest", "log.csv", "--out", "events", "-q", "--json")
    assert told.code == 1
    assert json.loads(told.out)["quarantined"] == 2


def test_a_clean_log_has_no_examples(tmp_path: Path) -> None:
    assert ingest([write_rows(tmp_path / "log.csv", GOOD)], tmp_path / "lake").examples == {}


def test_a_report_of_an_earlier_version_is_told_without_examples() -> None:
    facts = IngestReport(1, 0, 0, 1, {"price_given": 1}, {}, (), None, None).to_dict()
    del facts["examples"]
    assert IngestReport.from_dict(facts).refusals() == {"price_given": "1"}


def test_every_rule_says_what_it_accepts() -> None:
    columns = {column_of(rule) for rule in vars(EventContract)["__dataframely_rules__"]}
    of_whole_lines = {"fields_match_header", "text_is_utf8", "message_not_too_long"}
    assert columns | of_whole_lines == ACCEPTED.keys()
    assert not any(map(column_of, of_whole_lines))


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**63])
def test_a_number_beyond_the_range_is_told_with_the_range(tmp_path: Path, number: int) -> None:
    source = write_rows(tmp_path / "log.csv", [*GOOD, event(user_id=str(number))])
    example = ingest([source], tmp_path / "lake").examples["user_id_readable"]
    assert example.value == str(number)
    assert example.accepted == "a whole number from -2^63 to below 2^63"
