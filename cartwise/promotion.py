"""Promotion: a bundle becomes a version, is held against the champion, and takes its place or not.

Every step before the last can be repeated and changes nothing that serves; the last one is a single
write, which moves the alias.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cartwise.data.canary import LeakError, check_canary
from cartwise.data.log import Log
from cartwise.errors import RegistryError
from cartwise.model import gate
from cartwise.model.bundle import Bundle
from cartwise.model.contest import (
    Contest,
    Score,
    base_rate,
    by_bundle,
    by_file,
    difference_of_engines,
    hold_contest,
    known_until,
    learned_until,
    microseconds_per_cart,
    require_same_vectors,
)
from cartwise.model.examples import TrainingSet
from cartwise.model.gate import Decision, GateLimits
from cartwise.model.gate_report import render_decision
from cartwise.model.registry import REPLACED, Registry, Version
from cartwise.model.training import TrainingSettings, train
from cartwise.parity import LIVE_EVENTS, check_live, check_replay
from cartwise.progress import SILENT, Progress

DECISION: Final = "gate"
TESTED_FROM: Final = "gate_tested_from"
TESTED_UNTIL: Final = "gate_tested_until"

_MOSTLY: Final = 0.5


@dataclass(frozen=True)
class GateSettings:
    """What the gate asks, and how finely it measures.

    ``twins`` are trained by the challenger's recipe with other seeds, to know how much better a
    model is by the luck of its seed; with none, luck counts as merit. ``live_events`` at the log's
    begin are walked as a stream and asked for as requests.
    """

    limits: GateLimits = field(default_factory=GateLimits)
    twins: int = 5
    draws: int = 1000
    live_events: int = LIVE_EVENTS
    seed: int = 7
    memory_bytes: int = 3_000_000_000


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
class Evidence:
    """Where the gate takes its measurements: a training set, its lake, old scores if need be."""

    training: Path
    lake: Path
    champion_scores: Path | None = None


def promote(
    version: Version,
    evidence: Evidence,
    registry: Registry,
    settings: GateSettings | None = None,
    *,
    now: datetime,
    progress: Progress = SILENT,
) -> Promotion:
    """Hold a version against the champion; make it champion if it passes the gate.

    The decision is stored with the version either way. Without a champion it is held against the
    share of carts bought in the train part.

    Raises:
        CartwiseError: it could not be decided; the champion is the same as before.
    """
    settings = settings or GateSettings()
    champion = registry.current("champion")
    if champion and champion.number == version.number:
        return Promotion(version, champion, None)
    registry.set_alias("challenger", version)
    data = TrainingSet.open(evidence.training)
    with tempfile.TemporaryDirectory(prefix="cartwise-") as scratch:
        challenger = Bundle.load(registry.fetch(version, Path(scratch)))
        rival = Bundle.load(registry.fetch(champion, Path(scratch))) if champion else None
        challenger.require_fingerprint(data.manifest.fingerprint)
        score = _champion_score(rival, data, evidence.champion_scores)
        twins = _twins(challenger, evidence.training, settings.twins, Path(scratch), progress)
    after = max(known_until(bundle) for bundle in (challenger, rival) if bundle)
    contest = hold_contest(data, challenger, score, after=after, progress=progress, twins=twins)
    tries = 1 + _earlier_tries(registry.versions(), version, contest)
    decision = decide(challenger, rival, contest, evidence, settings, tries, progress)
    _store(registry, version, champion, contest, decision, now)
    if decision.passed:
        _crown(registry, version, champion)
    return Promotion(version, champion, decision)


def _twins(
    challenger: Bundle, training: Path, count: int, scratch: Path, progress: Progress
) -> list[Bundle]:
    """The challenger's recipe with other seeds, on the training set at hand."""
    recipe = TrainingSettings.of(challenger.parameters())
    bundles = []
    for number in range(1, count + 1):
        seeding = replace(recipe.seeding, seed=recipe.seeding.seed + number)
        out = scratch / f"twin-{number}"
        train(training, out, replace(recipe, seeding=seeding), progress=progress)
        bundles.append(Bundle.load(out))
    return bundles


def _champion_score(champion: Bundle | None, data: TrainingSet, scores: Path | None) -> Score:
    if champion is None:
        return base_rate(data)
    if scores is not None:
        return by_file(scores)
    require_same_vectors(champion, data)
    return by_bundle(champion)


def _earlier_tries(versions: list[Version], version: Version, contest: Contest) -> int:
    """How many other challengers were decided on mostly the same test carts."""
    others = (one for one in versions if one.number != version.number)
    return sum(_overlap(one.tags, *contest.span) > _MOSTLY for one in others)


def _overlap(tags: Mapping[str, str], first: datetime, last: datetime) -> float:
    """The share of a span of time that an earlier test covered."""
    if DECISION not in tags:
        return 0.0
    start, end = (datetime.fromisoformat(tags[name]) for name in (TESTED_FROM, TESTED_UNTIL))
    shared = (min(end, last) - max(start, first)).total_seconds()
    return shared / max(1.0, (last - first).total_seconds())


def decide(
    challenger: Bundle,
    champion: Bundle | None,
    contest: Contest,
    evidence: Evidence,
    settings: GateSettings,
    tries: int,
    progress: Progress,
) -> Decision:
    """Every check of the gate."""
    limits, log = settings.limits, Log.read(evidence.lake)
    progress.say("comparing, with the paired bootstrap")
    large = limits.large(contest.carts.height)
    comparison = contest.compare(draws=settings.draws, seed=settings.seed, fewest_carts=large)
    parities = [
        *check_live(log, evidence.training, events=settings.live_events),
        check_replay(
            log,
            evidence.training,
            memory_bytes=settings.memory_bytes,
            seed=settings.seed,
            progress=progress,
        ),
    ]
    log_end = datetime.fromtimestamp(log.last_second, UTC)
    known = None if champion is None else learned_until(champion)
    return Decision(
        [
            gate.check_better(comparison, tries, limits),
            gate.check_ranking(comparison, limits),
            *gate.check_slices(comparison, limits),
            gate.check_calibration(contest.challenger, contest.bought, limits),
            gate.check_equality(difference_of_engines(challenger, contest.vectors), limits),
            gate.check_latency(microseconds_per_cart(challenger, contest.vectors), limits),
            gate.check_canary(*_canary(log, evidence.training)),
            *(gate.check_parity(*parity) for parity in parities),
            gate.check_freshness(learned_until(challenger), known, log_end, limits),
        ]
    )


def _canary(log: Log, training: Path) -> tuple[int, str | None]:
    try:
        return check_canary(log.lake, log.days, training), None
    except LeakError as leak:
        return 0, str(leak)


def _store(
    registry: Registry,
    version: Version,
    champion: Version | None,
    contest: Contest,
    decision: Decision,
    now: datetime,
) -> None:
    first, last = contest.span
    facts = {
        "version": f"{version.number} ({version.model_version})",
        "champion": f"{champion.number} ({champion.model_version})" if champion else "none yet",
        "test carts": f"{contest.carts.height:,}, from {first} to {last}",
        "decided": now.isoformat(timespec="seconds"),
    }
    told = json.dumps({**facts, **decision.to_json()}, indent=1)
    page = render_decision(decision, facts)
    registry.attach(version, "gate", {"gate.json": told, "gate.html": page})
    registry.tag(
        version,
        {
            TESTED_FROM: first.isoformat(),
            TESTED_UNTIL: last.isoformat(),
            "gate_champion": str(champion.number) if champion else "none",
            "gate_decided": facts["decided"],
            "gate_reasons": "; ".join(decision.reasons)[:5000] or "none",
            # Last: a version with a decision has all that belongs to it.
            DECISION: "passed" if decision.passed else "refused",
        },
    )


def _crown(registry: Registry, version: Version, before: Version | None) -> None:
    """Move the alias, in one write, unless somebody else has moved it since."""
    if before:
        registry.tag(version, {REPLACED: str(before.number)})
    now = registry.current("champion")
    if (now and now.number) != (before and before.number):
        raise RegistryError(
            f"the champion changed while version {version.number} was held against the one before: "
            "run it again"
        )
    registry.set_alias("champion", version)
