"""The API's own documentation, in a browser that may load what the page's policy allows."""

import pytest
from playwright.sync_api import Browser, expect

from tests.page.conftest import Site

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_docs_shows_the_operations_and_asks_its_own_server_only(
    browser: Browser, site: Site, width: int, scheme: str
) -> None:
    schemas = len(site.world.app.openapi()["components"]["schemas"])
    context = browser.new_context(
        viewport={"width": width, "height": 850},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=False,
    )
    page = context.new_page()
    asked, complaints = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{site.api}/docs")
    page.get_by_role("link", name="POST /v1/score", exact=True).click()
    expect(page.get_by_role("heading", name="POST /v1/score", exact=True)).to_be_in_viewport()
    expect(page.get_by_role("heading", level=3)).to_have_count(12 + schemas)
    box = page.locator("main").bounding_box()
    context.close()
    assert box is not None
    assert box["width"] == min(width, 880), "the style sheet was refused"
    assert [url for url in asked if not url.startswith(site.api)] == []
    assert complaints == []
