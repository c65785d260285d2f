import math
import re
from dataclasses import replace

import pytest

from cartwise.features.catalogue import MEAN_AGE_OF_A_SECOND, SPECIFICATION
from cartwise.features.phrases import Phrases
from cartwise.features.remarks import REMARKS
from cartwise.features.spec import LogRatio

PHRASES = Phrases(SPECIFICATION)
NAMES = SPECIFICATION.values


@pytest.mark.parametrize("value", [math.nan, 0.0, 0.4, 30.0])
def test_every_value_has_a_phrase_that_is_no_name(value: float) -> None:
    values = dict.fromkeys(NAMES, value) | {"weekday": 2.0, "hour": 13.5}
    for name in NAMES:
        said = PHRASES.say(name, values)
        assert name not in said or "_" not in name
        assert not said.startswith(name.replace("_", " ")), "a name is no phrase"
        assert "nan" not in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"user_purchase_per_cart_28d": 0.71, "user_purchase_28d": 3.0, "user_cart_28d": 4.04},
            "bought 3 of the last 4 carted by this user, each counting half after 28 days: "
            "71 % to be expected",
        ),
        (
            {"user_purchase_per_cart_28d": 0.4, "user_purchase_28d": 0.0, "user_cart_28d": 0.0},
            "hardly anything carted by this user of late: 40 % to be expected",
        ),
        ({"session_product_view_seconds_ago": 90.0},
         "latest of the views of this product in this visit: 2 minutes ago"),
        ({"user_product_purchase_seconds_ago": math.nan},
         "no purchases of this product by this user yet"),
        ({"price_vs_category_view_log_price_28d": math.log(1.25)},
         "the price is 25 % above the usual price of views in this category"),
        ({"price_vs_brand_view_log_price_28d": math.log(0.8)},
         "the price is 20 % below the usual price of views of this brand"),
        ({"session_view_pace": 30 * MEAN_AGE_OF_A_SECOND},
         "about 30 seconds for each view in this visit"),
        ({"session_view_pace": 0.0}, "no time passed between views in this visit so far"),
        ({"session_view_span": -1e-9}, "no time passed between views in this visit so far"),
        ({"session_product_left": 0.0}, "this product is what the visit viewed last"),
        ({"session_product_early": 0.0}, "this product was viewed when the visit viewed most"),
        ({"session_cart_mean_age": 0.0}, "carts in this visit were just now on average"),
        ({"session_product_early": -300 * MEAN_AGE_OF_A_SECOND},
         "this product was viewed 5 minutes after the visit's views, on average"),
        ({"user_category_view_share_7d": 0.4},
         "40 % of the views by this user are in this category"),
        ({"session_product_cart_share_4h": 0.4},
         "40 % of the carts in this visit are of this product"),
        ({"line_purchase_per_cart_7d": 1.3, "line_purchase_7d": 12.0, "line_cart_7d": 8.0},
         "12 purchases for 8 carts in this category of this brand, each counting half after "
         "7 days: 130 % to be expected"),
        ({"user_bought_before": 0.25},
         "before this visit, this user bought 25 % of what they carted"),
        ({"user_cart_before": 2.0}, "2 carts by this user before this visit"),
        ({"user_cart_before": 1.0}, "1 cart by this user before this visit"),
        ({"user_cart_28d": 1.02}, "1 cart by this user, each counting half after 28 days"),
        ({"user_cart_28d": 0.3}, "0.3 carts by this user, each counting half after 28 days"),
        ({"level_of_line_view_log_price_28d": math.log(0.9)},
         "what this brand has in this category costs 10 % less than is usual there"),
        ({"log_price": math.log(12.5)}, "the price is 12.50"),
        ({"hour": 23.999}, "it is 0:00 (UTC)"),
        ({"weekday": 0.0}, "it is a Monday"),
    ],
)  # fmt: skip
def test_phrases_say_what_the_value_means(values: dict[str, float], said: str) -> None:
    assert PHRASES.say(next(iter(values)), values) == said


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("user_product_view_7d", "views of this product by this user (7 days)"),
        ("session_product_view_seconds_ago",
         "time since the last view of this product in this visit"),
        ("product_view_log_price_28d", "usual price of views of this product"),
        ("price_vs_line_view_log_price_28d",
         "price against that of views in this category of this brand"),
        ("line_purchase_per_cart_7d", "purchases per cart in this category of this brand (7 days)"),
        ("user_brand_cart_share_7d", "carts by this user: share of this brand (7 days)"),
        ("user_cart_before", "carts by this user before this visit"),
        ("hour", "hour of the day (UTC)"),
        ("something_else", "something else"),
    ],
)  # fmt: skip
def test_a_title_says_in_words_what_a_feature_is(name: str, title: str) -> None:
    assert PHRASES.title(name) == title


def test_a_trend_says_against_what_it_is() -> None:
    trend = LogRatio("trend", "product_view_1h", "product_view_7d", 1e-6)
    phrases = Phrases(replace(SPECIFICATION, derived=(*SPECIFICATION.derived, trend)))
    assert phrases.say("trend", {"trend": math.log(0.4)}) == (
        "views of this product counting half after 1 hour are 40 % of those counting half after "
        "7 days"
    )


def test_titles_are_of_words_each_of_one_feature_and_short_enough_for_a_plot() -> None:
    titles = {PHRASES.title(name) for name in NAMES}
    assert len(titles) == len(NAMES)
    assert not [title for title in titles if "_" in title or re.search(r"\d[hd]\b", title)]
    assert max(map(len, titles)) <= 60


@pytest.mark.parametrize("value", [math.nan, 0.0, 1e-9, 0.4, 30.0])
def test_nothing_is_said_twice_and_no_time_is_told_of_no_time(value: float) -> None:
    values = dict.fromkeys(NAMES, value) | {"weekday": 2.0, "hour": 13.5}
    for said in (PHRASES.say(name, values) for name in NAMES):
        assert "0 seconds" not in re.findall(r"\d+ seconds", said)
        for whose in ("by this user", "in this visit", "in this category", "of this product"):
            assert said.count(whose) < 2, said


def test_every_remark_is_of_a_feature_that_there_is() -> None:
    unknown = REMARKS.keys() - set(NAMES)
    assert not unknown
