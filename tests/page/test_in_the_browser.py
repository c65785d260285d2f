"""The page as people meet it: with a mouse, with a keyboard, on a laptop and on a phone."""

import csv as csv_files
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import TimeoutError as Timeout

from cartwise.page.app import BEGINS_WITH, LOOKS_EVERY
from cartwise.page.score import EXAMPLE
from tests.page.conftest import Site, own_process
from tests.serving.running import running
from tests.serving.worlds import cart_json, history, make_world, write_model

pytestmark = pytest.mark.integration

TOTAL = "cartwise_requests_total"
LIVE, *OTHERS = ("/v1/scores/recent", "/v1/status", "/v1/model", "/v1/policy/what-if")
TABS = ("Score a cart", "Live", "Batch", "Model", "Health")


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    yield from opened(browser, site, 1200, "light")


@pytest.fixture
def phone(browser: Browser, site: Site) -> Iterator[Page]:
    yield from opened(browser, site, 375, "dark")


def opened(browser: Browser, site: Site, width: int, scheme: str) -> Iterator[Page]:
    """The page, of which the test fails if it asks anybody but its own server."""
    context = browser.new_context(
        viewport={"width": width, "height": 850},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    context.clock.install()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.url)
    expect(page.get_by_role("button", name="Score this cart")).to_be_visible(timeout=30_000)
    # The cart of late has taken the example's place: from now on, what is typed stays.
    time = page.get_by_role("textbox", name="Time of the cart")
    expect(time).not_to_have_value(EXAMPLE["event_time"], timeout=15_000)
    yield page
    context.close()
    own = (site.url, site.url.replace("http", "ws"), "data:", "blob:", "about:")
    assert [url for url in asked if not url.startswith(own)] == []


def let_pass(page: Page, seconds: float) -> None:
    """Let the browser's clock jump ahead, after a moment in which it ends what it is about."""
    page.wait_for_timeout(300)
    page.clock.fast_forward(1000 * seconds)


def show(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()


def test_a_cart_is_scored_with_a_decision_and_reasons_in_words(page: Page) -> None:
    page.get_by_role("button", name="Score this cart").click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("likely to be bought", timeout=15_000)
    expect(answer).to_contain_text("expected value of a nudge")
    assert answer.get_by_role("list", name="Reasons").get_by_role("listitem").count() > 3


def test_a_score_in_hindsight_is_told_with_what_was_said_then(page: Page, site: Site) -> None:
    answer = page.locator("#answer")
    told = f"not what was said when the cart came. Then, it was {said_of_latest(site):.1%}."
    expect(answer).to_contain_text(told, timeout=15_000)
    time = page.get_by_role("textbox", name="Time of the cart")
    time.fill("2026-01-02T11:00:00Z")
    page.get_by_role("button", name="Score this cart").click()
    expect(answer).to_contain_text("before the cart", timeout=15_000)
    expect(answer).not_to_contain_text("not what was said")


def said_of_latest(site: Site) -> float:
    return float(site.client.recent(1)[0]["probability"])


def test_a_visitor_begins_with_the_latest_cart(page: Page, site: Site) -> None:
    cart = site.client.recent(1)[0]["cart"]
    product = page.get_by_role("textbox", name="Product", exact=True)
    expect(product).to_have_value(str(cart["product_id"]))
    expect(page.get_by_label("Carts of late")).to_have_value(re.compile(f"user {cart['user_id']}$"))
    expect(page.locator("#answer")).to_contain_text("up to 1 min after this cart", timeout=15_000)


def test_a_tab_that_has_its_answer_asks_no_more(page: Page) -> None:
    for tab in ("Model", "Score a cart"):
        show(page, tab)
    with pytest.raises(Timeout):
        see_questions(page, 9)


def see_questions(page: Page, number: int) -> None:
    """Wait for questions to the page's server, each for longer than a tab waits to ask again."""
    for _ in range(number):
        with page.expect_request("**/queue/join*", timeout=1000 * (LOOKS_EVERY[BEGINS_WITH] + 1)):
            pass


def test_what_is_typed_before_the_latest_cart_is_known_stays(browser: Browser, site: Site) -> None:
    context = browser.new_context()
    page = context.new_page()
    # What Gradio is asked to run is held back until the visitor has typed.
    held: list[Route] = []

    def hold(request: Route) -> None:
        held.append(request)

    page.route("**/queue/join*", hold)
    with page.expect_request("**/queue/join*"):
        page.goto(site.url)
    page.get_by_label("Price (0: unknown)").fill("77")
    for one in held:
        one.continue_()
    page.unroute("**/queue/join*")
    time = page.get_by_role("textbox", name="Time of the cart")
    expect(time).not_to_have_value(EXAMPLE["event_time"], timeout=15_000)
    expect(page.get_by_label("Price (0: unknown)")).to_have_value("77")
    expect(page.locator("#answer")).to_contain_text("The answer will stand here")
    context.close()


def test_a_page_tells_that_its_api_is_away_and_goes_on_when_it_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    world = make_world(write_model(tmp_path / "model"))
    world.states.apply(history())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with own_process(f"http://127.0.0.1:{port}", world.keys["all"]) as shown:
        page = browser.new_page()
        page.clock.install()
        page.goto(shown.url)
        answer, time = page.locator("#answer"), page.get_by_label("Time of the cart")
        expect(answer).to_contain_text("does not answer", timeout=15_000)
        with running(world.app, port, "off"):
            let_pass(page, LOOKS_EVERY[BEGINS_WITH])
            expect(time).not_to_have_value(EXAMPLE["event_time"], timeout=15_000)
            expect(answer).to_have_text("The answer will stand here.")
        page.get_by_role("button", name="Look for newer carts").click()
        expect(answer).to_contain_text("does not answer", timeout=15_000)
        page.get_by_role("button", name="Score this cart").click()
        expect(answer).to_contain_text("does not answer", timeout=15_000)
        with running(world.app, port, "off"):
            let_pass(page, LOOKS_EVERY[BEGINS_WITH])
            expect(answer).to_contain_text("likely to be bought", timeout=15_000)
        page.get_by_role("button", name="Score this cart").click()
        expect(answer).to_contain_text("does not answer", timeout=15_000)
        page.get_by_label("Brand").fill("half-ty")
        with running(world.app, port, "off"):
            for _ in range(3):
                let_pass(page, LOOKS_EVERY[BEGINS_WITH])
            page.wait_for_timeout(1000)
            expect(answer).to_contain_text("does not answer")
        page.close()


def test_a_cart_of_late_can_be_picked(page: Page) -> None:
    page.get_by_role("button", name="Look for newer carts").click()
    picker = page.get_by_label("Carts of late")
    picker.click()
    page.get_by_role("option").filter(has_text="acme").first.click()
    expect(page.locator("#answer")).to_contain_text("likely to be bought", timeout=15_000)
    expect(page.get_by_role("textbox", name="Brand")).to_have_value("acme")


def test_what_cannot_be_scored_is_explained(page: Page) -> None:
    page.get_by_label("User", exact=True).fill("somebody")
    page.get_by_role("button", name="Score this cart").click()
    expect(page.get_by_role("alert")).to_contain_text("'somebody' is no number", timeout=15_000)


def test_a_cart_is_scored_by_keyboard_alone(page: Page) -> None:
    page.get_by_label("Price (0: unknown)").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("77")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("likely to be bought", timeout=15_000)
    page.get_by_role("tab", name="Score a cart").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_contain_text("carts of late", timeout=15_000)


def test_carts_appear_while_one_looks_and_what_became_of_them(page: Page, site: Site) -> None:
    show(page, "Live")
    live = page.locator("#live")
    expect(live).to_contain_text("bought so far", timeout=15_000)
    expect(live.get_by_text("bought", exact=True).first).to_be_visible()
    expect(live.get_by_text("open", exact=True).first).to_be_visible()
    recent = site.client.recent(1)[0]["cart"]
    site.client.score({**recent, "brand": "zebra", "product_id": 77}, 1)
    let_pass(page, LOOKS_EVERY["Live"])
    expect(live).to_contain_text("zebra", timeout=15_000)


def test_what_is_tried_on_the_page_is_no_cart_of_the_shop(page: Page, site: Site) -> None:
    before = len(site.client.recent(500))
    page.get_by_role("button", name="Score this cart").click()
    expect(page.locator("#answer")).to_contain_text("likely to be bought", timeout=15_000)
    assert site.client.try_all([cart_json()])
    assert len(site.client.recent(500)) == before


def test_a_csv_comes_back_with_scores_and_bad_rows_are_shown(page: Page, csv: Path) -> None:
    show(page, "Batch")
    page.locator("input[type=file]").set_input_files(csv)
    told = page.locator("#batch")
    expect(told).to_contain_text("price_not_negative", timeout=20_000)
    expect(told).to_contain_text("2 carts scored, 1 row of other types passed over")
    expect(told).not_to_contain_text("view")
    expect(told).to_contain_text("line 5: 'yesterday'")
    with page.expect_download() as download:
        page.get_by_text("Download the scored carts").click()
    with Path(download.value.path()).open() as file:
        rows = list(csv_files.DictReader(file))
    assert [row["line"] for row in rows] == ["2", "6"]
    assert rows[1]["product_id"] == str(2**63 - 1)
    assert all(0 < float(row["probability"]) < 1 for row in rows)


def test_what_visitors_send_and_fetch_is_private_and_goes_with_the_page(
    browser: Browser, site: Site, csv: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with own_process(site.api, site.world.keys["all"], TMPDIR=str(kept)) as shown:
        page = browser.new_page()
        page.goto(shown.url)
        show(page, "Batch")
        page.locator("input[type=file]").set_input_files(csv)
        expect(page.get_by_text("Download the scored carts")).to_be_visible(timeout=30_000)
        (folder,) = kept.glob("cartwise-page-*")
        assert {file.name for file in folder.rglob("*.csv")} == {"carts.csv", "scored.csv"}
        assert folder.stat().st_mode & 0o077 == 0
        page.close()
    assert [file for file in kept.rglob("*") if file.is_file()] == []
    assert not folder.exists()


def test_the_model_tab_tells_and_plays_with_the_policy(page: Page) -> None:
    show(page, "Model")
    expect(page.locator("#versions")).to_contain_text("champion", timeout=15_000)
    earned = page.locator("#what-if")
    expect(earned).to_contain_text("threshold", timeout=15_000)
    expect(earned.get_by_role("img")).to_have_accessible_name(re.compile("at the best share of"))
    before = earned.inner_text()
    page.get_by_label("number input for Cost of a nudge").fill("0")
    page.keyboard.press("Enter")
    expect(earned).not_to_have_text(before, timeout=15_000)
    page.get_by_role("button", name="Report").click()
    frame = page.frame_locator("iframe[title=Report]")
    expect(frame.get_by_role("heading")).to_have_text("How good it is", timeout=15_000)


def test_the_model_tab_counts_the_carts_that_come_while_one_looks(page: Page, site: Site) -> None:
    show(page, "Model")
    known = len(site.client.recent(500))
    counted = page.locator("#what-if div").filter(has_text="carts of late").last
    expect(counted).to_have_text(re.compile(rf"carts of late\s*{known}"), timeout=15_000)
    site.client.score(cart_json(product_id=78), 1)
    let_pass(page, LOOKS_EVERY["Model"])
    expect(counted).to_have_text(re.compile(rf"carts of late\s*{known + 1}"), timeout=15_000)


def test_only_the_tab_that_is_shown_looks_again(page: Page, site: Site) -> None:
    for tab, told in (("Model", "#what-if"), ("Health", "#health"), ("Live", "#live")):
        show(page, tab)
        expect(page.locator(told)).not_to_be_empty(timeout=15_000)
    let_live_look(page, site, 2)
    before = asked(site, *OTHERS)
    # Five looks of this tab take as long as two of the others.
    let_live_look(page, site, 5)
    assert asked(site, *OTHERS) == before


def test_the_tab_where_somebody_ends_looks_again_however_fast_they_came(
    page: Page, site: Site
) -> None:
    # Faster than the page's server answers.
    page.get_by_role("tab").evaluate_all(
        """async (all, names) => {
            for (const name of names) {
                all.find(one => one.innerText === name).click();
                await new Promise(next => setTimeout(next, 10));
            }
        }""",
        ["Model", "Live"],
    )
    let_live_look(page, site, 4)


def asked(site: Site, *paths: str) -> float:
    """How often the API has answered so far."""
    counters = site.world.service.metrics.registry
    counted = ({"path": path, "status": "200"} for path in paths)
    return sum(counters.get_sample_value(TOTAL, labels) or 0.0 for labels in counted)


def let_live_look(page: Page, site: Site, times: int) -> None:
    until = asked(site, LIVE) + times
    for _ in range(200):
        if asked(site, LIVE) >= until:
            return
        let_pass(page, LOOKS_EVERY["Live"])
    raise AssertionError(f"{until - asked(site, LIVE):.0f} of {times} looks did not come")


def test_health_says_what_works(page: Page) -> None:
    show(page, "Health")
    expect(page.locator("#health")).to_contain_text("store", timeout=15_000)


def test_what_is_picked_on_a_phone_ends_before_the_arrow(phone: Page) -> None:
    ends, begins = phone.get_by_label("Carts of late").evaluate(
        """box => [
            box.getBoundingClientRect().right - parseFloat(getComputedStyle(box).paddingRight),
            box.parentElement.querySelector("svg").getBoundingClientRect().left,
        ]"""
    )
    assert ends <= begins


def test_the_ends_of_the_curve_can_be_read_on_a_phone(phone: Page) -> None:
    show(phone, "Model")
    for end in ("nobody is nudged", "everybody"):
        text = phone.locator("#what-if").get_by_text(end, exact=True)
        expect(text).to_be_visible(timeout=15_000)
        height = text.evaluate("one => one.getBoundingClientRect().height")
        assert height > 14, "as high as a line of text"


def test_a_phone_in_the_dark_shows_every_tab_without_sideways_scrolling(phone: Page) -> None:
    for tab in TABS:
        if not phone.get_by_role("tab", name=tab, exact=True).is_visible():
            phone.locator(".overflow-menu button").first.click()
            phone.locator(".overflow-dropdown").get_by_text(tab).click()
        else:
            show(phone, tab)
        phone.wait_for_timeout(300)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    assert phone.evaluate("document.body.classList.contains('dark')")
