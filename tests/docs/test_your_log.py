"""The recipes for other logs give what ingest takes, row for row."""

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from cartwise.data.file_signatures import RECIPES
from cartwise.data.ingest import ingest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/your-log.md").read_text()
RETAIL_ROCKET, EXPORT = re.findall(r"<!-- tested -->\n```python\n(.*?)```", PAGE, re.DOTALL)

RETAIL_ROCKET_LOG = """timestamp,visitorid,event,itemid,transactionid
1400000000117,7,view,501,
1400000600000,7,addtocart,501,
1400000300000,8,view,502,
1400004200000,7,transaction,501,12
"""
CLICKS = """when,visitor,visit,action,sku,price
2026-03-29 10:15:00,anna,a-1,product_view,0815,"1.219,90 €"
2026-03-29 10:16:00,anna,a-1,add,0815,"1.219,90 €"
2026-03-29 10:17:00,anna,a-1,newsletter,,
2026-03-29 10:18:00,4711,b-1,remove,0815,"1219,90 EUR"
"""
BAD_CLICKS = """2026-03-29 02:15:00,4711,b-1,add,0815,"1219,90 EUR"
29.03.2026,4711,b-1,add,0815,"1219,90 EUR"
2026-03-29 10:19:00,4711,b-1,add,0815,
2026-03-29 10:19:00,,b-1,add,0815,"1219,90 EUR"
"""
ORDERS = """when,visitor,sku,price
2026-03-29 10:20:00,anna,0815,"1219,90 €"
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def events_after(recipe: str) -> pl.DataFrame:
    """What lies in the lake once a recipe ran here and its log was ingested."""
    subprocess.run([sys.executable, "-c", recipe], check=True)
    assert ingest([Path("log.parquet")], Path("events")).quarantined == 0
    return pl.read_parquet("events/*/events.parquet")


def test_a_pause_of_half_an_hour_ends_a_visit_of_the_retail_rocket_log() -> None:
    Path("events.csv").write_text(RETAIL_ROCKET_LOG)
    events = events_after(RETAIL_ROCKET)
    assert events["event_type"].to_list() == ["view", "view", "cart", "purchase"]
    visits = events.filter(user_id=7)["user_session"].to_list()
    assert visits[0] == visits[1] != visits[2]
    assert events.filter(user_id=8)["user_session"].item() not in visits


def test_clicks_and_orders_become_one_log_of_one_customer() -> None:
    Path("clicks.csv").write_text(CLICKS)
    Path("orders.csv").write_text(ORDERS)
    events = events_after(EXPORT)
    kinds = ["view", "cart", "remove_from_cart", "purchase"]
    assert events["event_type"].to_list() == kinds
    assert str(events["event_time"][0]) == "2026-03-29 08:15:00+00:00"
    anna = events.filter(pl.col("event_type") != "remove_from_cart")
    assert anna["user_id"].n_unique() == 1
    assert events["product_id"].n_unique() == 1
    assert set(events["price"]) == {1219.9}


def test_what_cannot_be_read_of_an_export_is_refused() -> None:
    Path("clicks.csv").write_text(CLICKS + BAD_CLICKS)
    Path("orders.csv").write_text(ORDERS)
    subprocess.run([sys.executable, "-c", EXPORT], check=True)
    report = ingest([Path("log.parquet")], Path("events"))
    assert report.rows_out == 4
    assert report.by_rule == {"event_time_given": 2, "price_given": 1, "user_id_given": 1}


def test_errors_name_a_page_that_is_there() -> None:
    assert (ROOT / RECIPES.split()[0]).read_text() == PAGE
