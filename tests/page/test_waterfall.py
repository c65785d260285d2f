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


@pytest.mark.parametrize("rest", [0.25, 0.0, -1e-6])
def test_the_list_is_well_formed_escaped_and_within_its_frame(rest: float) -> None:
    shown = ET.fromstring(f"<div>{waterfall(0.1, REASONS, rest)}</div>")  # noqa: S314 - our own
    rows = shown.findall("ol/li")
    assert len(rows) == 3
    assert "a < b & c" in "".join(rows[0].itertext())
    assert "x" * 200 in "".join(rows[1].itertext())
    for row in rows:
        bar = row.find("div/div")
        assert bar is not None
        left, width = map(float, re.findall(r"([\d.]+)%", bar.attrib["style"]))
        assert width > 0
        assert left + width <= 100.1


def test_it_ends_with_both_probabilities() -> None:
    assert "52% → this cart: 40%" in waterfall(0.1, REASONS, 0.25)
