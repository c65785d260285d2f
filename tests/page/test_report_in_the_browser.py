"""The report as people meet it, at its hardest: few carts, all of one outcome, and a gap."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Locator, Page

from cartwise.model.evaluation import evaluate
from cartwise.model.training import train
from tests.model.conftest import ROUGH
from tests.model.worlds import change_manifest, change_part, read_part, write_world

pytestmark = pytest.mark.integration

SPAN = {
    "start": "2026-01-03T01:00:00+00:00",
    "end": "2026-01-04T02:00:00+00:00",
    "kind": "events_missing",
    "reason": "no event of any kind, where the days before and after had thousands",
}
PIXELS = """all => all.map(one => {
    const { c, d } = one.getCTM();
    return parseFloat(getComputedStyle(one).fontSize) * Math.hypot(c, d);
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    world = write_world(folder, carts=100, small=True)
    change_manifest(world.training, censored_spans=[SPAN])
    train(world.training, folder / "model")
    part = read_part(world.training, "test")
    change_part(world.training, "test", part.with_columns(label=pl.lit(0, pl.UInt8)))
    return evaluate(folder / "model", world.training, folder, ROUGH).report


@pytest.fixture(params=[(1280, "light"), (360, "dark")])
def page(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 850}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    yield page
    context.close()


def test_nothing_is_cut_off_or_scrolls_sideways(page: Page) -> None:
    for place in [page.locator("html"), *page.locator(".scroll").all()]:
        hidden = place.evaluate("one => one.scrollWidth - one.clientWidth")
        assert hidden <= 0, place.inner_text()[:80]


def test_no_plot_is_blown_up_beyond_its_column(page: Page) -> None:
    # With a cart or two, nothing moves a probability, and that plot is missing.
    neighbour = page.locator("figure").filter(has_text="What moves a probability")
    neighbour.evaluate("one => one.remove()")
    widths = [box["width"] for box in boxes(page.locator("figure"))]
    assert max(widths) == min(widths)
    assert max(widths) <= 560


def test_text_in_plots_is_whole_and_large_enough_to_read(page: Page) -> None:
    for plot in page.locator("figure svg").all():
        (place,) = boxes(plot)
        texts = plot.locator("text")
        for text in boxes(texts):
            assert place["left"] - 1 <= text["left"] < text["right"] <= place["right"] + 1
        assert min(texts.evaluate_all(PIXELS)) > 8.5


def test_the_names_of_features_lie_on_no_dot(page: Page) -> None:
    plot = page.get_by_role("img", name="What moves a probability")
    names = boxes(plot.locator("text").filter(has_text=re.compile("user|product|visit")))
    dots = boxes(plot.locator("use"))
    assert len(names) >= 3
    assert len(dots) > 100
    assert [name for name in names if any(overlap(name, dot) for dot in dots)] == []


def boxes(found: Locator) -> list[dict[str, float]]:
    return list(found.evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())"))


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return (
        one["left"] < other["right"]
        and other["left"] < one["right"]
        and one["top"] < other["bottom"]
        and other["top"] < one["bottom"]
    )
