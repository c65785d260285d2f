import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.errors import FingerprintMismatch, InputError, NotEnoughData, OutputError
from cartwise.model.baselines import NAMES
from cartwise.model.bundle import CARD, METRICS, Bundle
from cartwise.model.evaluation import Evaluation, evaluate
from cartwise.model.examples import TrainingSet
from cartwise.model.policy import WITHOUT_PRICES
from cartwise.model.report.plots import PLOTS
from cartwise.model.training import train
from tests.data.raw_files import files_of
from tests.disks import files_limited_to
from tests.model.conftest import QUICK, ROUGH, Outcome
from tests.model.test_measures import auc_of_pairs
from tests.model.worlds import (
    World,
    change_manifest,
    change_part,
    read_manifest,
    read_part,
    write_world,
)

ASKED = (
    *("auc", "average_precision", "log_loss", "brier", "ece", "base_rate"),
    *(f"{what}_{share}" for what in ("lift", "capture") for share in (1, 5, 10, 20)),
    *(f"baseline_{name}_{what}" for name in NAMES for what in ("auc", "log_loss")),
    *(f"lead_over_{name}" for name in NAMES),
)


def test_metrics_are_flat_and_hold_what_the_design_asks_for(outcome: Outcome) -> None:
    metrics = json.loads((outcome.out / METRICS).read_text())
    assert all(isinstance(value, int | float | str) for value in metrics.values())
    assert {"carts_train", "carts_test", "ceiling_auc", "ceiling_share"} < set(metrics)
    assert set(ASKED) < set(metrics)
    for name in ASKED:
        low, value, high = (metrics[f"{name}{end}"] for end in ("_low", "", "_high"))
        assert low <= value <= high or name == "ece", name


def test_every_metric_is_of_the_test_carts_scored_by_the_bundle(outcome: Outcome) -> None:
    metrics = outcome.evaluation.metrics
    carts = read_part(outcome.world.training, "test")
    vectors = TrainingSet.open(outcome.world.training).vectors(carts)
    probability = Bundle.load(outcome.model).score(vectors)
    bought = carts["label"].to_numpy().astype(float)
    assert metrics["carts_test"] == carts.height == 600
    assert metrics["auc"] == pytest.approx(auc_of_pairs(probability, bought, np.ones(600)))
    assert metrics["brier"] == pytest.approx(((probability - bought) ** 2).mean())
    assert metrics["base_rate"] == pytest.approx(bought.mean())
    first_tenth = np.argsort(-probability)[:60]
    assert metrics["lift_10"] == pytest.approx(bought[first_tenth].mean() / bought.mean(), abs=0.02)
    assert metrics["capture_10"] == pytest.approx(metrics["lift_10"] / 10)


def test_the_bundle_takes_over_metrics_and_card_and_stays_whole(outcome: Outcome) -> None:
    bundle = Bundle.load(outcome.model)
    assert bundle.files[METRICS] == (outcome.out / METRICS).read_bytes()
    assert bundle.metrics == outcome.evaluation.metrics
    assert bundle.metrics["model_version"] == bundle.version
    card = bundle.files[CARD].decode()
    assert f"{bundle.metrics['auc']:.4f}" in card
    assert "Not evaluated yet" not in card


def test_evaluating_again_gives_the_same_bytes(outcome: Outcome, tmp_path: Path) -> None:
    model = Path(shutil.copytree(outcome.model, tmp_path / "model"))
    before = {file.name: file.read_bytes() for file in model.iterdir()}
    evaluate(model, outcome.world.training, tmp_path, ROUGH, truth=outcome.world.truth)
    assert {file.name: file.read_bytes() for file in model.iterdir()} == before
    again = (tmp_path / "report.html").read_bytes()
    assert again == (outcome.out / "report.html").read_bytes()


def test_the_model_is_set_against_the_ceiling(outcome: Outcome) -> None:
    metrics = outcome.evaluation.metrics
    carts = read_part(outcome.world.training, "test")
    truth = carts.join(
        pl.read_parquet(outcome.world.truth),
        on=["user_session", "product_id"],
        maintain_order="left",
    )["purchase_probability"].to_numpy()
    ceiling = auc_of_pairs(truth, carts["label"].to_numpy(), np.ones(len(truth)))
    assert metrics["ceiling_auc"] == pytest.approx(ceiling)
    assert metrics["ceiling_share"] == pytest.approx((metrics["auc"] - 0.5) / (ceiling - 0.5))
    assert metrics["ceiling_carts"] == 600
    assert 0.5 < metrics["ceiling_share"] < 1.0


def test_a_ceiling_of_an_earlier_evaluation_is_forgotten(outcome: Outcome, tmp_path: Path) -> None:
    model = shutil.copytree(outcome.model, tmp_path / "model")
    metrics = evaluate(model, outcome.world.training, tmp_path, ROUGH).metrics
    assert not [name for name in metrics if name.startswith("ceiling_")]
    assert "rounds" in metrics


def test_carts_without_a_known_truth_do_not_count_for_the_ceiling(
    outcome: Outcome, tmp_path: Path
) -> None:
    model = shutil.copytree(outcome.model, tmp_path / "model")
    test = read_part(outcome.world.training, "test")[:200]
    truth = pl.read_parquet(outcome.world.truth).join(test, on="user_session", how="semi")
    truth.write_parquet(tmp_path / "part.parquet")
    metrics = evaluate(
        model, outcome.world.training, tmp_path, ROUGH, truth=tmp_path / "part.parquet"
    ).metrics
    assert metrics["ceiling_carts"] == 200


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: file.write_text("text"), "is not a truth file"),
        (lambda file: pl.DataFrame({"a": [1]}).write_parquet(file), "purchase_probability"),
        (
            lambda file: pl.DataFrame(
                {"user_session": ["?"], "product_id": [1], "purchase_probability": [0.5]}
            ).write_parquet(file),
            "knows none of the test carts",
        ),
    ],
)
def test_a_wrong_truth_file_is_named_and_changes_nothing(
    outcome: Outcome, tmp_path: Path, write: Callable[[Path], None], message: str
) -> None:
    write(tmp_path / "truth.parquet")
    before = (outcome.model / METRICS).read_bytes()
    with pytest.raises(InputError, match=message):
        evaluate(
            outcome.model,
            outcome.world.training,
            tmp_path / "out",
            ROUGH,
            truth=tmp_path / "truth.parquet",
        )
    assert (outcome.model / METRICS).read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_a_lead_on_the_same_carts_is_surer_than_two_intervals_apart(outcome: Outcome) -> None:
    metrics = outcome.evaluation.metrics
    lead = metrics["lead_over_logistic"]
    assert lead == pytest.approx(metrics["auc"] - metrics["baseline_logistic_auc"])
    width = metrics["lead_over_logistic_high"] - metrics["lead_over_logistic_low"]
    assert width < metrics["auc_high"] - metrics["auc_low"]


def test_leading_every_baseline_means_that_no_interval_of_a_lead_holds_0(outcome: Outcome) -> None:
    metrics = outcome.evaluation.metrics
    lowest = min(metrics[f"lead_over_{name}_low"] for name in NAMES)
    assert metrics["leads_every_baseline"] == (lowest > 0)


def test_beating_every_baseline_means_that_no_interval_overlaps(outcome: Outcome) -> None:
    metrics = outcome.evaluation.metrics
    highest = max(metrics[f"baseline_{name}_auc_high"] for name in NAMES)
    assert metrics["beats_every_baseline"] == (metrics["auc_low"] > highest)


def test_another_specification_is_refused(outcome: Outcome, tmp_path: Path) -> None:
    training = Path(shutil.copytree(outcome.world.training, tmp_path / "training"))
    change_manifest(training, fingerprint="0123")
    with pytest.raises(FingerprintMismatch, match="0123"):
        evaluate(outcome.model, training, tmp_path / "out", ROUGH)


def test_an_empty_test_part_is_refused(outcome: Outcome, tmp_path: Path) -> None:
    training = Path(shutil.copytree(outcome.world.training, tmp_path / "training"))
    change_part(training, "test", read_part(training, "test")[:0])
    with pytest.raises(NotEnoughData, match="holds no cart"):
        evaluate(outcome.model, training, tmp_path / "out", ROUGH)


def test_the_test_part_begins_after_the_model_in_whatever_time_zone_it_is_told(
    outcome: Outcome, tmp_path: Path
) -> None:
    training = Path(shutil.copytree(outcome.world.training, tmp_path / "training"))
    model = Path(shutil.copytree(outcome.model, tmp_path / "model"))
    begin_test_part(training, "2026-01-17T06:00:00-10:00")
    evaluate(model, training, tmp_path / "out", ROUGH)
    begin_test_part(training, "2026-01-17T23:50:00+09:00")
    with pytest.raises(InputError, match="learned from carts up to 2026-01-17T15:50:00"):
        evaluate(model, training, tmp_path / "out", ROUGH)


def begin_test_part(training: Path, moment: str) -> None:
    parts = read_manifest(training)["parts"]
    change_manifest(training, parts={**parts, "test": {**parts["test"], "first_cart": moment}})


def test_an_output_that_cannot_be_written_is_named(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/out"):
        evaluate(outcome.model, outcome.world.training, tmp_path / "file" / "out", ROUGH)


def test_a_full_disk_leaves_the_evaluation_and_the_bundle_before(
    outcome: Outcome, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(outcome.model, tmp_path / "model"))
    out = Path(shutil.copytree(outcome.out, tmp_path / "out"))
    before = [files_of(folder) for folder in (model, out)]
    size = len((out / "metrics.json").read_bytes()) + 9
    assert size < len((out / "report.html").read_bytes())
    with files_limited_to(size), pytest.raises(OutputError, match="out cannot be written"):
        evaluate(model, outcome.world.training, out, ROUGH)
    with files_limited_to(size), pytest.raises(OutputError, match="new cannot be written"):
        evaluate(model, outcome.world.training, tmp_path / "new", ROUGH)
    assert [files_of(folder) for folder in (model, out)] == before
    assert {path.name for path in tmp_path.iterdir()} == {"model", "out"}


class Page(HTMLParser):
    """What a browser would load or run, and what a person would read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.references: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        loading = {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}
        self.references += [value or "" for name, value in attrs if name in loading]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_needs_nothing_from_elsewhere(outcome: Outcome) -> None:
    html = outcome.evaluation.report.read_text()
    page = Page(html)
    assert not page.tags & {"script", "link", "iframe", "img", "object", "embed", "base"}
    assert all(reference.startswith("#") for reference in page.references)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert "@import" not in html
    assert set(re.findall(r"https?://[^\"' <]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_the_report_shows_every_plot_once(outcome: Outcome) -> None:
    html = outcome.evaluation.report.read_text()
    assert set(outcome.evaluation.plots) == set(PLOTS)
    assert html.count("<svg") == len(PLOTS)
    for plot in PLOTS.values():
        assert html.count(f"<h3>{plot.title}</h3>") == 1
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', html)) <= set(ids)


def test_the_report_leaves_no_stand_in_color_and_follows_the_theme(outcome: Outcome) -> None:
    html = outcome.evaluation.report.read_text()
    assert "#0000" not in html
    assert "prefers-color-scheme:dark" in html
    assert set(re.findall(r"var\(--(\w+)\)", html)) <= set(re.findall(r"--(\w+):", html))


def test_the_report_tells_the_metrics_and_the_ceiling(outcome: Outcome) -> None:
    text = Page(outcome.evaluation.report.read_text()).text
    metrics = outcome.evaluation.metrics
    assert f"AUC {metrics['auc']:.3f} ({metrics['auc_low']:.3f}" in text
    assert f"The true probabilities reach AUC {metrics['ceiling_auc']:.3f}" in text
    assert "Few carts" not in text
    counts = read_manifest(outcome.world.training)["counts"]
    assert f"In no part, of {counts['carts']:,} carts in the log" in text
    assert "2026-01-03 00:00 to 2026-01-04 00:00: purchases (no purchases)" in text


def test_a_shops_own_names_cannot_break_the_report(tmp_path: Path) -> None:
    world = write_world(tmp_path, carts=400)
    part = read_part(world.training, "test")
    evil = ["<script>alert(1)</script>.x", "$\\frac{.x", "a" * 200, "&amp;\u202e", None]
    codes = pl.Series([evil[row % 5] for row in range(part.height)])
    change_part(world.training, "test", part.with_columns(category_code=codes))
    train(world.training, tmp_path / "model", QUICK)
    page = Page(evaluate(tmp_path / "model", world.training, tmp_path, ROUGH).report.read_text())
    assert "script" not in page.tags
    assert "$\\frac{" in page.text


def small(folder: Path, carts: int = 100) -> World:
    world = write_world(folder, carts=carts, small=True)
    train(world.training, folder / "model")
    return world


def evaluated(folder: Path, world: World) -> Evaluation:
    return evaluate(folder / "model", world.training, folder / "out", ROUGH, truth=world.truth)


def test_a_small_sample_is_said_plainly_and_has_wide_intervals(
    outcome: Outcome, tmp_path: Path
) -> None:
    found = evaluated(tmp_path, small(tmp_path))
    told = "Few carts: 70 to train and 30 to test"
    assert told in Page(found.report.read_text()).text
    assert told in Bundle.load(tmp_path / "model").files[CARD].decode()
    few, many = found.metrics, outcome.evaluation.metrics
    assert few["auc_high"] - few["auc_low"] > 2 * (many["auc_high"] - many["auc_low"])


@pytest.mark.parametrize(("carts", "label"), [(1, 0), (5, 1), (30, 0)])
def test_test_carts_that_all_end_the_same_way_are_reported_without_auc(
    tmp_path: Path, carts: int, label: int
) -> None:
    world = small(tmp_path)
    part = read_part(world.training, "test")[:carts]
    change_part(world.training, "test", part.with_columns(label=pl.lit(label, pl.UInt8)))
    found = evaluated(tmp_path, world)
    assert found.metrics["auc"] is None
    assert found.metrics["base_rate"] == label
    assert found.metrics["base_rate_low"] is None
    assert found.metrics["beats_every_baseline"] is False
    assert "roc" not in found.plots
    assert f"All {carts} test carts ended the same way" in Page(found.report.read_text()).text
    assert json.loads((tmp_path / "out" / METRICS).read_text())["auc"] is None


LISTS = re.compile(r"\d times as many|lift in the first tenth|lift_10|capture_10")
WORTH = re.compile(r"per 1,000 carts|expected_value|nudged_share")


@pytest.mark.parametrize(("carts", "told"), [(2, False), (29, False), (30, True)])
def test_lists_and_money_are_told_of_enough_carts_only(
    tmp_path: Path,
    carts: int,
    told: bool,  # noqa: FBT001
) -> None:
    world = small(tmp_path)
    part = read_part(world.training, "test")[:carts]
    label = (pl.int_range(carts) % 2).cast(pl.UInt8)
    change_part(world.training, "test", part.with_columns(label=label))
    found = evaluated(tmp_path, world)
    page = Page(found.report.read_text()).text
    card = Bundle.load(tmp_path / "model").files[CARD].decode()
    for text in (page, card):
        assert bool(LISTS.search(text)) == bool(WORTH.search(text)) == told
        assert "a nudge is worth probability" in text
    why = f"Of {carts} test carts this cannot be told: it takes 30 at least."
    assert page.count(why) == (0 if told else 1)
    assert ({"gain", "value", "what-if"} <= set(found.plots)) == told
    assert found.metrics["lift_10"] is not None, "a program may ask"


def test_five_test_carts_of_which_one_was_bought_are_enough(tmp_path: Path) -> None:
    world = small(tmp_path)
    part = read_part(world.training, "test")[:5]
    label = (pl.int_range(5) == 1).cast(pl.UInt8)
    change_part(world.training, "test", part.with_columns(label=label))
    found = evaluated(tmp_path, world)
    assert 0.0 <= found.metrics["auc"] <= 1.0
    assert {"roc", "rivals", "reliability", "probabilities"} <= set(found.plots)


MONEY = re.compile(WORTH.pattern + r"|a nudge (costs|is worth|never pays|pays)|price of|by price")


def test_without_prices_nothing_is_said_of_money(tmp_path: Path) -> None:
    world = small(tmp_path)
    for name in ("train", "test"):
        part = read_part(world.training, name)
        change_part(world.training, name, part.with_columns(price=pl.lit(0.0)))
    train(world.training, tmp_path / "model")
    found = evaluated(tmp_path, world)
    page = Page(found.report.read_text()).text
    card = Bundle.load(tmp_path / "model").files[CARD].decode()
    for text in (page, card):
        assert text.count(WITHOUT_PRICES) == 2, "in the summary, and in the place of money"
        assert MONEY.search(text.replace(WITHOUT_PRICES, "")) is None
    assert not {"value", "what-if"} & set(found.plots)
    assert not {"expected_value", "expected_value_everyone", "nudged_share"} & set(found.metrics)
    assert "price" not in {one.dimension for one in found.slices}


def test_a_log_without_outages_or_features_for_slices_is_reported(tmp_path: Path) -> None:
    world = write_world(tmp_path, carts=100, small=True)
    names = [f"user_view_{number}d" for number in range(9)]
    change_manifest(world.training, censored_spans=[], feature_names=names)
    train(world.training, tmp_path / "model")
    found = evaluated(tmp_path, world)
    assert {one.dimension for one in found.slices} == {"category", "price", "hour (UTC)"}
    assert "shaded: not recorded" not in found.plots["days"]


def test_the_report_is_readable_by_everybody(outcome: Outcome) -> None:
    assert outcome.evaluation.report.stat().st_mode & 0o444 == 0o444
