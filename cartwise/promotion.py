"""Promotion: a bundle becomes a version, is held against the champion, and takes its place or not.

Everything is measured first, which takes minutes and changes nothing that serves. The decision is
made from that in one step at the end (``cartwise.model.settlement``).
"""

import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from cartwise.data.canary import LeakError, check_canary
from cartwise.data.log import Log
from cartwise.model import gate
from cartwise.model.asks import Ask
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
from cartwise.model.gate import GateLimits
from cartwise.model.lineage import training_digest
from cartwise.model.registry import Registry, Version
from cartwise.model.settlement import Case, Findings, Promotion, settle
from cartwise.model.training import TrainingSettings, train
from cartwise.parity import LIVE_EVENTS, check_live, check_replay
from cartwise.progress import SILENT, Progress


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
    findings = examine(challenger, rival, contest, evidence, settings, progress)
    ask = _ask(champion, contest, evidence, settings)
    return settle(registry, Case(version, champion, ask, findings, settings.limits), now)


def _twins(
    challenger: Bundle, training: Path, count: int, scratch: Path, progress: Progress
) -> list[Bundle]:
    """The challenger's recipe with other seeds, on the training set at hand."""
    recipe = TrainingSettings.of(challenger.parameters())
    bundles = []
    for number in range(1, count + 1):
        seeding = replace(recipe.seeding, seed=recipe.seeding.seed + number)
        out = scratch / f"twin-{number}"
        progress.say(f"twin {number} of {count}: the same recipe with another seed")
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


def _ask(
    champion: Version | None, contest: Contest, evidence: Evidence, settings: GateSettings
) -> Ask:
    first, last = contest.span
    return Ask(
        champion=champion.model_version if champion else "",
        training_set=training_digest(evidence.training),
        first=first.isoformat(),
        last=last.isoformat(),
        carts=contest.carts.height,
        seed=settings.seed,
        draws=settings.draws,
        twins=settings.twins,
    )


def examine(
    challenger: Bundle,
    champion: Bundle | None,
    contest: Contest,
    evidence: Evidence,
    settings: GateSettings,
    progress: Progress,
) -> Findings:
    """Measure everything that the gate asks."""
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
    return Findings(
        comparison,
        [
            gate.check_ranking(comparison, limits),
            *gate.check_slices(comparison, limits),
            gate.check_calibration(contest.challenger, contest.bought, limits),
            gate.check_equality(difference_of_engines(challenger, contest.vectors), limits),
            gate.check_latency(microseconds_per_cart(challenger, contest.vectors), limits),
            gate.check_canary(*_canary(log, evidence.training)),
            *(gate.check_parity(*parity) for parity in parities),
            gate.check_freshness(learned_until(challenger), known, log_end, limits),
        ],
    )


def _canary(log: Log, training: Path) -> tuple[int, str | None]:
    try:
        return check_canary(log.lake, log.days, training), None
    except LeakError as leak:
        return 0, str(leak)
