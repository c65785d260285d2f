"""The command line: what a person types, what they get, and what they are told when it fails."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from cartwise.errors import OutputError
from cartwise.folders import locked
from cartwise.model.bundle import Bundle
from tests.commands import Commands, succeed
from tests.damage import flip_bit


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``raw``, a simulated shop's files, and ``out``, a run on them."""
    folder = tmp_path_factory.mktemp("made")
    raw, options = folder / "raw", ("--horizon", "4h", "--no-track", "-q")
    succeed("simulate", "--out", raw, "--sessions", 5000, "--days", 5, "-q")
    succeed("run", raw, "--out", folder / "out", *options)
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Path:
    """A simulated shop's raw files, in the folder ``raw`` of the command line."""
    shutil.copytree(made / "raw", tmp_path / "raw")
    return Path("raw")


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """What ``cartwise run`` has made of the shop with a horizon of 4 hours, in ``out``."""
    shutil.copytree(made / "out", tmp_path / "out")
    return Path("out")


def test_step_by_step_equals_run_to_the_byte(cartwise: Commands, shop: Path, out: Path) -> None:
    files = sorted(shop.glob("events-*"))
    horizon = ("--horizon", "4h")
    steps = [
        ("ingest", *files, "--out", "events", "-q"),
        ("features", "--events", "events", *horizon, "--out", "training", "-q"),
        ("train", "--training", "training", "--out", "model", "-q"),
        ("evaluate", "--model", "model", "--training", "training", "--out", "evaluation", "-q"),
    ]
    for step in steps:
        told = cartwise(*step)
        assert told.code == 0, told.err
    assert contents(Path("model")) == contents(out / "model")
    assert Path("evaluation/metrics.json").read_bytes() == (out / "metrics.json").read_bytes()


def contents(bundle: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in bundle.iterdir()}


def test_run_reports_the_share_of_the_ceiling(cartwise: Commands, shop: Path) -> None:
    options = ("--horizon", "24h", "--out", "out", "--no-track", "--truth", shop / "truth.parquet")
    told = cartwise("run", shop, *options, "--json")
    assert told.code == 0, told.err
    facts = json.loads(told.out)
    assert 0.5 < facts["ceiling_auc"] < 1
    assert facts["ingest"]["rows_in"] == facts["ingest"]["rows_out"] + facts["ingest"]["duplicates"]


def test_run_asks_where_it_is_tracked_before_the_work(cartwise: Commands, shop: Path) -> None:
    told = cartwise("run", shop, "--out", "out", "--tracking-uri", "http://127.0.0.1:9")
    assert told.code == 1
    assert "--no-track" in told.err
    assert "reading" not in told.err
    assert not Path("out").exists()


class _TakesNothing(BaseHTTPRequestHandler):
    """A server of MLflow that knows no experiment and lets none be made."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}')

    def log_message(self, *_: object) -> None:
        return


def test_a_run_that_cannot_be_tracked_at_its_end_tells_what_it_made_first(
    cartwise: Commands, shop: Path, out: Path
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _TakesNothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}"
        told = cartwise("run", shop, "--horizon", "4h", "--out", out, "--tracking-uri", uri, "-q")
        server.shutdown()
    assert told.code == 1
    assert "model: out/model" in told.out
    assert told.err.startswith("cartwise: the run could not be tracked in MLflow")
    assert told.err.count("\n") == 1


def test_a_run_on_another_log_says_what_the_lake_held_before(
    cartwise: Commands, shop: Path, out: Path
) -> None:
    (shop / "events-2019-11-12.csv").rename("other.csv")
    told = cartwise("run", "other.csv", "--horizon", "4h", "--out", out, "--no-track")
    assert told.code == 0, told.err
    for text in (told.out, told.err):
        assert "events of 5 other files (" in " ".join(text.split())


def test_no_score_of_an_earlier_cart_depends_on_the_last_day(
    cartwise: Commands, shop: Path, out: Path
) -> None:
    files = sorted(shop.glob("events-*"))
    last = pl.read_csv(files[-1], infer_schema=False)
    changed = last.with_columns(event_type=pl.col("event_type").reverse(), price=pl.lit("9.99"))
    changed.write_csv("changed.csv")
    logs = {"whole": files, "cut": files[:-1], "changed": [*files[:-1], "changed.csv"]}
    scored = {}
    for name, log in logs.items():
        cartwise("ingest", *log, "--out", f"events-{name}", "-q")
        score = ("score", "--model", out / "model", "--events", f"events-{name}", "-q")
        told = cartwise(*score, "--out", f"{name}.parquet")
        assert told.code == 0, told.err
        scored[name] = pl.read_parquet(f"{name}.parquet")
    day = scored["whole"]["cart_time"].dt.date()
    earlier = scored["whole"].filter(day < day.max())
    assert scored["cut"].equals(earlier)
    assert scored["changed"].head(earlier.height).equals(earlier)
    assert not scored["changed"].equals(scored["whole"])


def test_score_writes_one_row_per_cart(cartwise: Commands, shop: Path) -> None:
    cartwise("run", shop / "events-2019-11-08.csv", shop / "events-2019-11-09.csv",
             "--horizon", "1h", "--out", "out", "--no-track", "-q")  # fmt: skip
    told = cartwise("score", "--model", "out/model", "--events", "out/events", "--out", "s.parquet")
    assert told.code == 0, told.err
    scores = pl.read_parquet("s.parquet")
    assert scores.columns == [
        "user_id",
        "product_id",
        "user_session",
        "cart_time",
        "probability",
        "model_version",
    ]
    counts = json.loads(Path("out/training/manifest.json").read_text())["counts"]
    assert scores.height == counts["carts"]
    assert scores["probability"].is_between(0, 1).all()
    assert scores["model_version"].unique().to_list() == [Bundle.load(Path("out/model")).version]


def test_scores_are_the_same_in_every_kind_of_file(cartwise: Commands, out: Path) -> None:
    command = ("score", "--model", out / "model", "--events", out / "events", "-q", "--out")
    for _ in range(2):
        for name in ("scores.parquet", "scores.csv", "scores.csv.gz"):
            told = cartwise(*command, name)
            assert told.code == 0, told.err
    scores = pl.read_parquet("scores.parquet")
    for name in ("scores.csv", "scores.csv.gz"):
        read = pl.read_csv(name, schema={**scores.schema, "cart_time": pl.String})
        times = pl.col("cart_time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us")
        assert read.with_columns(times.dt.replace_time_zone("UTC")).equals(scores)
    Path("raw.csv").write_text("event_time,user_id\n")
    whole = Path("scores.csv.gz").read_bytes()
    Path("cut.csv.gz").write_bytes(whole[:12])
    Path("torn.csv.gz").write_bytes(whole[:10] + b"\xff" * 99)
    taken = [
        (name, "exists and holds no scores") for name in ("raw.csv", "cut.csv.gz", "torn.csv.gz")
    ]
    for name, words in (("scores.txt", ".csv.gz"), ("scores", ".parquet"), *taken):
        told = cartwise(*command, name)
        assert told.code == 2
        assert words in told.err
    assert Path("raw.csv").read_text() == "event_time,user_id\n"


def test_a_bundle_of_another_specification_is_refused(cartwise: Commands, out: Path) -> None:
    manifest = out / "training/manifest.json"
    manifest.write_text(manifest.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    told = cartwise("evaluate", "--model", "out/model", "--training", "out/training", "--out", "e")
    assert told.code == 1
    assert "feature specification" in told.err


def test_evaluate_refuses_carts_that_the_model_learned_from(
    cartwise: Commands, shop: Path, out: Path
) -> None:
    cartwise("ingest", *sorted(shop.glob("events-*"))[:3], "--out", "early", "-q")
    cartwise("features", "--events", "early", "--out", "training", "--horizon", "4h", "-q")
    command = ("evaluate", "--model", out / "model", "--training", "training", "--out", "e")
    told = cartwise(*command)
    assert told.code == 1
    assert "learned from carts up to" in told.err
    assert not Path("e").exists()


def test_a_run_tells_of_the_model_that_it_replaces(
    cartwise: Commands, shop: Path, out: Path
) -> None:
    before = Bundle.load(out / "model")
    command = ("run", shop, "--horizon", "2h", "--out", out, "--no-track", "-q")
    told = cartwise(*command)
    (line,) = [line for line in told.out.splitlines() if line.startswith("replaced: ")]
    until = before.fact("learned_until")[:16].replace("T", " ")
    assert line == f"replaced: {before.version}, with a horizon of 4 h, learned until {until}"
    assert "replaced: " not in cartwise(*command).out


def test_a_run_that_cannot_write_its_report_leaves_the_model_that_the_report_tells_of(
    cartwise: Commands, shop: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_nothing(*_: object) -> str:
        raise OutputError("no space")

    before = {name: (out / name).read_bytes() for name in ("metrics.json", "report.html")}
    model = contents(out / "model")
    monkeypatch.setattr("cartwise.model.evaluation.render_report", write_nothing)
    told = cartwise("run", shop, "--horizon", "2h", "--out", out, "--no-track", "-q")
    assert (told.code, told.err) == (1, "cartwise: no space\n")
    assert contents(out / "model") == model
    assert {name: (out / name).read_bytes() for name in before} == before
    assert list(out.glob(".*")) == []


def test_a_run_that_was_killed_while_it_replaced_its_model_goes_on(
    cartwise: Commands, shop: Path, out: Path
) -> None:
    model = contents(out / "model")
    (out / "model").rename(out / ".model.before")
    (out / "notes.txt").write_text("may stay where a run is")
    told = cartwise(*EVALUATE, "found")
    assert told.code == 1
    assert "it lies in 'out/.model.before'; rename that, or run" in told.err
    told = cartwise("run", shop, "--horizon", "4h", "--out", out, "--no-track", "-q")
    assert told.code == 0, told.err
    assert contents(out / "model") == model
    assert list(out.glob(".*")) == []


def test_run_again_with_out_inside_of_the_source(cartwise: Commands, shop: Path) -> None:
    for _ in range(2):
        told = cartwise("run", shop, "--horizon", "4h", "--out", shop / "out", "--no-track", "-q")
        assert told.code == 0, told.err


MINE: Final = (
    "thesis/notes.txt",
    "thesis/report.html",
    "taken/model/notes.txt",
    "project/report.html",
    "mixed/events/notes.txt",
    "figures/gain.csv",
    "kept/training/notes.txt",
    "papers/notes.txt",
    "papers/.model.before/notes.txt",
)
SCORE: Final = ("score", "--model", "out/model", "--events", "out/events", "-q", "--out")
EVALUATE: Final = ("evaluate", "--model", "out/model", "--training", "out/training", "-q", "--out")
WRITING_OVER: Final = (
    ("ingest", "raw", "--out", "thesis"),
    ("ingest", "raw", "--out", "thesis/notes.txt"),
    ("features", "--events", "out/events", "--out", "thesis"),
    ("features", "--events", "out/events", "--out", "out/events"),
    ("features", "--events", "out/events", "--out", "out"),
    (*SCORE, "thesis/notes.txt"),
    (*SCORE, "thesis"),
    (*SCORE, "thesis/other.parquet"),
    (*EVALUATE, "thesis"),
    (*EVALUATE, "out/events"),
    (*EVALUATE, "out/training"),
    (*EVALUATE, "out/training/found"),
    (*EVALUATE, "out/model"),
    (*EVALUATE, "raw"),
    (*EVALUATE, "found", "--plots", "out/model"),
    (*EVALUATE, "found", "--plots", "out/training/drawn"),
    (*EVALUATE, "found", "--plots", "thesis"),
    (*EVALUATE, "found", "--plots", "figures"),
    (*EVALUATE, "figures", "--plots", "figures"),
    (*EVALUATE, "found", "--bundle", "out/training"),
    (*EVALUATE, "found", "--bundle", "out/model/fuller"),
    (*EVALUATE, "found", "--bundle", "found"),
    (*EVALUATE, "found", "--bundle", "fuller", "--plots", "fuller/plots"),
    (*EVALUATE, "found", "--bundle", "thesis"),
    ("run", "raw", "--out", "raw"),
    ("run", "raw", "--out", "thesis"),
    ("run", "raw", "--out", "taken"),
    ("run", "raw", "--out", "project"),
    ("run", "raw", "--out", "mixed"),
    ("run", "raw", "--out", "kept"),
    ("run", "raw", "--out", "papers"),
    ("run", "raw", "--out", "papers/notes.txt"),
    ("run", "out/model/plots.csv", "--out", "out"),
    ("run", "out/events", "--out", "out"),
)
"""Commands that would replace what is not theirs, or write into what they read."""


@pytest.mark.usefixtures("shop")
def test_what_is_not_ours_is_never_replaced(cartwise: Commands, out: Path) -> None:
    for name in MINE:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("mine")
    for name in ("project/events", "project/model"):
        Path(name).mkdir()
    pl.DataFrame({"a": [1]}).write_parquet("thesis/other.parquet")
    day = next((out / "events").glob("event_date=*/events.parquet"))
    before = everything()
    for command in (*WRITING_OVER, (*SCORE, day)):
        told = cartwise(*command)
        assert told.code == 2, command
        assert told.err.count("\n") == 1
        assert everything() == before, command


def everything() -> dict[Path, bytes | None]:
    """What lies in the current folder: files with their content, and folders."""
    return {path: path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


def test_what_cannot_be_replaced_is_refused_before_the_work(
    cartwise: Commands, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    Path("disk").mkdir()
    data = ("--training", out / "training", "--out")
    for command in [
        ("features", "--events", out / "events", "--out", "disk"),
        ("train", *data, "disk"),
        ("evaluate", "--model", out / "model", "--bundle", "disk", *data, "found"),
    ]:
        told = cartwise(*command)
        assert told.code == 2
        assert told.err.startswith("cartwise: 'disk' is where a disk is mounted")
        assert told.err.count("\n") == 1
    assert cartwise("evaluate", "--model", out / "model", *data, "disk", "-q").code == 0


@pytest.mark.usefixtures("shop")
def test_a_run_whose_model_was_deleted_says_what_else_to_delete(
    cartwise: Commands, out: Path
) -> None:
    command = ("run", "raw", "--horizon", "4h", "--out", "out", "--no-track", "-q")
    shutil.rmtree(out / "model")
    told = cartwise(*command)
    assert told.code == 2
    assert "no bundle in 'out/model' beside 'out/metrics.json' and 'out/report.html'" in told.err
    assert "if a run wrote that, delete it; otherwise choose another --out" in told.err
    for name in ("metrics.json", "report.html"):
        (out / name).unlink()
    told = cartwise(*command)
    assert told.code == 0, told.err


def test_an_evaluation_takes_the_place_of_an_older_one(cartwise: Commands, out: Path) -> None:
    command = ("evaluate", "--model", out / "model", "--training", out / "training", "-q", "--out")
    deep = ("--plots", "found/deep/drawn", "--bundle", "found/deep/fuller")
    for options in (deep, ("--plots", "found"), deep, ()):
        told = cartwise(*command, "found", *options)
        assert told.code == 0, told.err
        Path("found/.gitignore").touch()
    assert {path.name for path in Path("found").iterdir()} >= {
        ".gitignore",
        "deep",
        "gain.csv",
        "metrics.json",
        "report.html",
    }
    Path("found/deep/notes.txt").write_text("mine")
    assert cartwise(*command, "found").code == 2
    told = cartwise(*command, out)
    assert told.code == 0, told.err


@pytest.mark.parametrize("damage", ["gone", "cut", "a bit in a vector", "a bit in the footer"])
def test_a_damaged_training_set_is_refused(cartwise: Commands, out: Path, damage: str) -> None:
    part = next((out / "training/train").glob("*.parquet"))
    match damage:
        case "gone":
            part.unlink()
        case "cut":
            part.write_bytes(part.read_bytes()[:1000])
        case "a bit in a vector":
            flip_bit(part, part.stat().st_size // 3)
        case "a bit in the footer":
            flip_bit(part, -1000)
    told = cartwise("train", "--training", "out/training", "--out", "model", "-q")
    assert told.code == 1
    assert "build it again" in told.err
    assert (damage == "gone") or part.name in told.err
    assert not Path("model").exists()


def test_evaluate_refuses_another_horizon(cartwise: Commands, out: Path) -> None:
    cartwise("features", "--events", out / "events", "--out", "t", "--horizon", "2h", "-q")
    told = cartwise("evaluate", "--model", out / "model", "--training", "t", "--out", "e")
    assert told.code == 1
    assert "horizon_seconds" in told.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "missing.csv", "--out", "out"], "missing.csv"),
        (["ingest", "empty.csv", "--out", "out"], "empty"),
        (["ingest", "picture.csv", "--out", "out"], "picture.csv"),
        (["ingest", "empty-folder", "--out", "out"], "empty-folder"),
        (["features", "--events", "empty-folder", "--out", "out"], "cartwise ingest"),
        (["train", "--training", "empty-folder", "--out", "out"], "cartwise features"),
        (["score", "--model", "empty-folder", "--events", "e", "--out", "s.parquet"], "bundle"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    cartwise: Commands, arguments: list[str], words: str
) -> None:
    Path("empty.csv").touch()
    Path("events.csv").write_text("event_time,event_type\n")
    Path("picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9)
    Path("empty-folder").mkdir()
    told = cartwise(*arguments, "-q")
    assert told.code == 1
    assert words in told.err
    assert told.err.startswith("cartwise: ")
    assert told.err.count("\n") == 1
    assert not Path("out").exists()


def test_a_run_keeps_others_out_of_its_folder(cartwise: Commands, shop: Path) -> None:
    with locked(Path("out"), "run"):
        told = cartwise("run", shop, "--out", "out", "-q")
    assert told.code == 1
    assert "another run is writing to out" in told.err


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    cartwise: Commands, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cartwise("ingest", shop, "--out", "events", "-q")

    def horizon(*flags: str) -> int:
        told = cartwise("features", "--events", "events", "--out", "training", *flags, "--json")
        assert told.code == 0, told.err
        return int(json.loads(told.out)["horizon_seconds"])

    Path("cartwise.toml").write_text('horizon = "1h"\n[features]\nquiet = true\n')
    assert horizon() == 3600
    monkeypatch.setenv("CARTWISE_HORIZON", "2h")
    assert horizon() == 7200
    assert horizon("--horizon", "3h") == 10_800
