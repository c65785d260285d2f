import numpy as np

from cartwise.model.explanation import Contributions
from cartwise.model.report.reasons import draw_contributions


def test_the_plot_of_contributions_speaks_of_features_and_odds_in_words() -> None:
    values = np.array([[-np.log(2.0), 0.1], [0.0, 0.0], [np.log(2.0), -0.1]])
    names = ("session_product_view_seconds_ago", "user_product_view_7d")
    plot = draw_contributions(Contributions(names, values, values.astype(np.float32), 0.0))
    assert "time since the last view of this product in this visit" in plot
    assert "views of this product by this user (7 days)" in plot
    assert not [name for name in names if name in plot]
    assert "odds of buying, times" in plot
    assert ">-" not in plot, "odds are multiplied by nothing negative"
