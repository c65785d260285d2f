import re
from xml.etree import ElementTree as ET

import pytest

from cartwise.page.waterfall import steps, waterfall

REASONS = [{"text": "a < b & c", "contribution": 0.5}, {"text": "x" * 200, "contribution": -1.25}]


def test_steps_lead_from_the_average_to_the_cart() -> None:
    found = steps(0.1, REASONS, 0.25)
    assert [step.start for step in found[1:]] == [step.end for step in found[:-1]]
    assert found[0].start == 0.1
    assert found[-1].end == pytest.approx(0.1 + 0.5 - 1.25 + 0.25)
    assert [step.kind for step in found] == ["for", "against", "for"]


def test_the_image_is_well_formed_escaped_and_within_its_frame() -> None:
    image = ET.fromstring(waterfall(0.1, REASONS, 0.25))  # noqa: S314 - our own
    width = float(image.attrib["viewBox"].split()[2])
    bars = [element for element in image if element.tag == "rect"]
    assert len(bars) == 3
    for bar in bars:
        assert 0 <= float(bar.attrib["x"]) <= width - float(bar.attrib["width"])
    assert "a < b & c" in image.attrib["aria-label"]
    assert re.search(r"52% → this cart: 40%", "".join(image.itertext()))
