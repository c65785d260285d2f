"""The last step of a promotion: decide, store the decision, and move the alias or not.

It is taken alone, in seconds: how many were decided on these carts so far, is the champion still
the one that was measured, what the gate says, and last a single write, which moves the alias.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cartwise.errors import RegistryError
from cartwise.model import gate
from cartwise.model.asks import Ask
from cartwise.model.comparison import Comparison
from cartwise.model.gate import Check, Decision, GateLimits
from cartwise.model.gate_report import render_decision
from cartwise.model.registry import REPLACED, Registry, Version

DECISION: Final = "gate"
"""Tag of a version: what the gate said when it was asked last."""


@dataclass(frozen=True)
class Promotion:
    """What became of a challenger; ``before`` is the champion that it was held against."""

    version: Version
    before: Version | None
    decision: Decision | None
    """None where it was the champion already."""

    @property
    def promoted(self) -> bool:
        return self.decision is None or self.decision.passed


@dataclass(frozen=True)
class Findings:
    """What was measured of a challenger; how sure it must be depends on the tries before it."""

    comparison: Comparison
    checks: Sequence[Check]
    """All but the first, *better*."""

    def decision(self, tries: int, limits: GateLimits) -> Decision:
        """What the gate says if this is the ``tries``-th try on these carts."""
        return Decision([gate.check_better(self.comparison, tries, limits), *self.checks])


@dataclass(frozen=True)
class Case:
    """All that a decision is made from; ``champion`` is the one that was measured."""

    version: Version
    champion: Version | None
    ask: Ask
    findings: Findings
    limits: GateLimits


def settle(registry: Registry, case: Case, now: datetime) -> Promotion:
    """Decide, store the decision and make the version champion if it passed: alone, in seconds.

    Wherever it is cut off, the same command goes on: it finds its own question with its number.

    Raises:
        RegistryError: the champion is not the one that was measured any more; nothing is stored.
    """
    with registry.alone() as lock:
        versions = registry.versions()
        _require_same_champion(case, versions)
        tags = {one.number: one.tags for one in versions}
        tries = case.ask.try_number(tags.pop(case.version.number), tags.values())
        decision = case.findings.decision(tries, case.limits)
        _store(registry, case, tries, decision, now)
        if decision.passed:
            lock.require_time()
            registry.set_alias("champion", case.version)
    return Promotion(case.version, case.champion, decision)


def _require_same_champion(case: Case, versions: Sequence[Version]) -> None:
    now = next((one.number for one in versions if "champion" in one.aliases), None)
    if now != (case.champion.number if case.champion else None):
        raise RegistryError(
            f"the champion changed while version {case.version.number} was held against the one "
            "before: run it again"
        )


def _store(registry: Registry, case: Case, tries: int, decision: Decision, now: datetime) -> None:
    version, champion, ask = case.version, case.champion, case.ask
    facts = {
        "version": f"{version.number} ({version.model_version})",
        "champion": f"{champion.number} ({champion.model_version})" if champion else "none yet",
        "test carts": f"{ask.carts:,}, from {ask.first} to {ask.last}",
        "try on these carts": str(tries),
        "decided": now.isoformat(timespec="seconds"),
    }
    # First: what was looked at counts, whatever becomes of the rest.
    registry.tag(version, ask.kept(tries))
    told = json.dumps({**facts, **decision.to_json()}, indent=1)
    page = render_decision(decision, facts)
    registry.attach(version, "gate", {"gate.json": told, "gate.html": page})
    replaced = {REPLACED: str(champion.number)} if champion and decision.passed else {}
    registry.tag(
        version,
        {
            **replaced,
            "gate_champion": str(champion.number) if champion else "none",
            "gate_decided": facts["decided"],
            "gate_reasons": "; ".join(decision.reasons)[:5000] or "none",
            # Last: a version with a decision has all that belongs to it.
            DECISION: "passed" if decision.passed else "refused",
        },
    )
