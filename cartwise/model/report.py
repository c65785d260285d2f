"""The report: one HTML file with everything in it, no scripts, no network."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cartwise.model.examples import Manifest
from cartwise.model.explanation import Contributions
from cartwise.model.findings import Findings
from cartwise.model.policy import Policy
from cartwise.model.scored import ScoredCarts
from cartwise.model.summary import sentences, with_interval


@dataclass(frozen=True)
class Evidence:
    """All that the report shows."""

    manifest: Manifest
    metrics: Mapping[str, Any]
    findings: Findings
    contributions: Contributions
    scored: ScoredCarts
    policy: Policy


def draw_plots(evidence: Evidence) -> dict[str, str]:  # noqa: ARG001
    """None yet."""
    return {}


def render_report(evidence: Evidence, plots: Mapping[str, str]) -> str:
    """The whole page."""
    told = "".join(f"<p>{html.escape(line)}</p>" for line in sentences(evidence.metrics))
    rows = "".join(
        f"<tr><td>{name}</td><td>{with_interval(evidence.metrics, name, 4)}</td></tr>"
        for name in evidence.findings.estimates
    )
    drawings = "".join(plots.values())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Cartwise report</title>'
        f"<body>{told}<table>{rows}</table>{drawings}</body></html>"
    )
