from xml.etree import ElementTree as ET

import numpy as np
import pytest

from cartwise.model.policy import Economics, what_if
from cartwise.page.curve import HEIGHT, MARGIN, WIDTH, value_curve


@pytest.mark.parametrize("cost", [0.0, 1.0, 20.0])
def test_the_curve_lies_in_its_frame_with_the_best_share_on_it(cost: float) -> None:
    probability = np.linspace(0.0, 1.0, 200)
    asked = what_if(probability, np.full(200, 40.0), Economics(nudge_cost=cost))
    drawn = value_curve(
        asked.shares.tolist(), asked.value.tolist(), asked.best_share, asked.best_value
    )
    image = ET.fromstring(drawn)  # noqa: S314 - our own
    line, dot = (next(one for one in image if one.tag == tag) for tag in ("polyline", "circle"))
    points = [tuple(map(float, one.split(","))) for one in line.attrib["points"].split()]
    assert all(MARGIN <= x <= WIDTH - MARGIN and MARGIN <= y <= HEIGHT for x, y in points)
    assert float(dot.attrib["cy"]) == pytest.approx(min(y for _, y in points), abs=1.0)
    assert f"best share of {asked.best_share:.0%}" in image.attrib["aria-label"]


def test_carts_that_cost_nothing_and_earn_nothing_are_drawn_flat() -> None:
    image = ET.fromstring(value_curve([0.0, 1.0], [0.0, 0.0], 0.0, 0.0))  # noqa: S314 - our own
    assert "0 if everybody is" in image.attrib["aria-label"]
