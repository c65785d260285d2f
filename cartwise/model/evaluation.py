"""Evaluation: the test part, read once, against the bundle, its baselines and the truth if known.

What is evaluated is what serves: every probability comes from the bundle's own ONNX graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from cartwise import folders
from cartwise.errors import InputError, PlaceTaken
from cartwise.model import bundle as layout
from cartwise.model.baselines import Baselines
from cartwise.model.bundle import Bundle, as_json, write_bundle
from cartwise.model.card import model_card
from cartwise.model.contest import learned_until
from cartwise.model.examples import TrainingSet
from cartwise.model.explanation import explain
from cartwise.model.findings import Findings, Finesse, measure
from cartwise.model.manifest import Manifest
from cartwise.model.report.drawing import standalone
from cartwise.model.report.page import render_report
from cartwise.model.report.plots import PLOTS, Evidence, draw_plots
from cartwise.model.scored import score_test, true_probabilities
from cartwise.model.slices import Slice
from cartwise.progress import SILENT, Progress

REPORT: Final = "report.html"
_CURVES: Final = frozenset({"gain.csv", "reliability.csv"})
_DRAWN: Final = _CURVES | {f"{name}.svg" for name in PLOTS}
"""What a folder for plots gets."""
_CONTENTS: Final = _DRAWN | {layout.METRICS, REPORT, "events", "training", "model"}
"""What a folder of a run holds, an evaluation beside what was evaluated."""
_WRITTEN: Final = _DRAWN | {*layout.FILES, layout.CHECKSUMS, REPORT}

_POINTS: Final = 101


@dataclass(frozen=True)
class EvaluationSettings:
    """How finely to measure: bootstrap draws, bins of the calibration error, explained carts."""

    seed: int = 7
    draws: int = 400
    bins: int = 10
    explained_carts: int = 1000
    threads: int = 2


@dataclass(frozen=True)
class Evaluation:
    """What evaluation found; ``plots`` are self-contained SVG documents by name, and ``curves``
    the points of two of them, to be drawn beside those of another model."""

    metrics: Mapping[str, Any]
    slices: Sequence[Slice]
    report: Path
    plots: Mapping[str, str]
    curves: Mapping[str, pl.DataFrame]


def evaluate(
    model: Path,
    training: Path,
    out: Path,
    settings: EvaluationSettings | None = None,
    *,
    truth: Path | None = None,
    renewed: Path | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Measure a bundle on the test part; write ``metrics.json`` and ``report.html`` into ``out``.

    The bundle's own ``metrics.json`` and model card are replaced by the fuller ones, with new
    checksums, in one step; with ``renewed`` it stays as it is, and that folder becomes the fuller
    one. ``truth`` is a Parquet file with ``user_session``, ``product_id`` and
    ``purchase_probability``, as the simulator writes it.

    Raises BundleError, InputError, OutputError, FingerprintMismatch, and NotEnoughData where the
    test part is empty.
    """
    settings = settings or EvaluationSettings()
    bundle = Bundle.load(model)
    layout.require_free(renewed or model)
    data = TrainingSet.open(training)
    bundle.require_fingerprint(data.manifest.fingerprint)
    _require_honest(bundle, data.manifest)
    evidence = _gather(bundle, data, settings, truth, progress)
    plots = draw_plots(evidence)
    contents = {
        layout.METRICS: as_json(evidence.metrics),
        REPORT: render_report(evidence, plots).encode(),
    }
    with folders.written_together(out, contents):
        _renew(renewed or model, bundle, data.manifest, evidence.metrics)
    documents = {name: standalone(svg) for name, svg in plots.items()}
    return Evaluation(
        evidence.metrics,
        evidence.findings.slices,
        out / REPORT,
        documents,
        _curves(evidence.findings),
    )


def require_free(
    out: Path,
    model: Path,
    training: Path,
    plots: Path | None = None,
    bundle: Path | None = None,
) -> None:
    """Raise PlaceTaken where an evaluation would write over something else, or into what is read.

    Plots may lie in ``out``, and ``bundle`` too; neither may be or hold the other.
    """
    for place in filter(None, (out, plots, bundle)):
        folders.require_outside(place, model, training)
    if bundle:
        layout.require_free(bundle)
        for place in filter(None, (out, plots)):
            folders.require_outside(place, bundle)
    for folder in filter(None, (out, plots)):
        beside = {path.name for path in folder.glob("*") if _may_stay(path)}
        folders.require_free(folder, _CONTENTS | beside, "an evaluation")
    if plots:
        _require_no_other_plots(plots)


def _may_stay(path: Path) -> bool:
    """Whether a path is hidden, or a folder that holds nothing but what evaluations write."""
    if path.name.startswith("."):
        return True
    below = (one for one in path.rglob("[!.]*") if one.is_file())
    return path.is_dir() and all(file.name in _WRITTEN for file in below)


def _require_no_other_plots(plots: Path) -> None:
    held = _DRAWN & {path.name for path in plots.glob("*")}
    # Every evaluation leaves both curves and the days; DVC takes the curves away before the next.
    if held and not held >= _CURVES and "days.svg" not in held:
        raise PlaceTaken(
            f"'{plots / min(held)}' is not of an evaluation: choose another folder for plots"
        )


def _curves(findings: Findings) -> dict[str, pl.DataFrame]:
    gains, reliability = findings.gains["model"], findings.reliability
    shares = np.linspace(0.0, 1.0, _POINTS)
    bought = [gains.capture(float(share)) for share in shares]
    return {
        "gain": pl.DataFrame({"carts": shares, "bought": bought}),
        "reliability": pl.DataFrame(
            {"predicted": reliability.predicted, "observed": reliability.observed.value}
        ),
    }


def _require_honest(bundle: Bundle, manifest: Manifest) -> None:
    """Refuse a test part that asks something else, or of carts that the model learned from."""
    for name in ("horizon_seconds", "label_scope"):
        learned, asked = getattr(bundle.spec, name), getattr(manifest, name)
        if learned != asked:
            raise InputError(
                f"the model was trained with {name} {learned}, and the training set has {asked}: "
                "evaluate on one that was built like the model's own"
            )
    test, until = manifest.parts.get("test"), learned_until(bundle)
    if test and test.carts and datetime.fromisoformat(test.first_cart) <= until:
        raise InputError(
            f"the model learned from carts up to {until.isoformat()}, and the test part begins at "
            f"{test.first_cart}: evaluate on later carts, or train on this training set"
        )


def _gather(
    bundle: Bundle,
    data: TrainingSet,
    settings: EvaluationSettings,
    truth: Path | None,
    progress: Progress,
) -> Evidence:
    scored = score_test(data, bundle, Baselines.fit(data), settings.explained_carts, progress)
    known = None if truth is None else true_probabilities(scored.carts, truth, data.manifest)
    finesse = Finesse(settings.draws, settings.seed, settings.bins)
    progress.say("measuring, with intervals")
    findings = measure(scored, bundle.policy, finesse, known)
    names = data.manifest.feature_names
    contributions = explain(bundle.files[layout.BOOSTER], names, scored.vectors, settings.threads)
    measured = {**findings.metrics(), "model_version": bundle.version}
    # Training's own facts stay; a ceiling of an earlier evaluation does not.
    trained = {
        name: fact
        for name, fact in bundle.metrics.items()
        if name not in measured and not name.startswith("ceiling_")
    }
    metrics = {**trained, **measured}
    return Evidence(data.manifest, metrics, findings, contributions, scored, bundle.policy)


def _renew(model: Path, bundle: Bundle, manifest: Manifest, metrics: Mapping[str, Any]) -> None:
    card = model_card(manifest, bundle.policy, metrics)
    fuller = {layout.METRICS: as_json(metrics), layout.CARD: card.encode()}
    write_bundle(model, {**bundle.files, **fuller})
