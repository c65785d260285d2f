"""The whole run: from raw event files to an evaluated model."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cartwise.data import training_set as training_sets
from cartwise.data.ingest import ingest
from cartwise.data.ingest_report import IngestReport, require_events
from cartwise.data.manifest import Manifest
from cartwise.data.training_set import TrainingSetSettings
from cartwise.errors import BundleError, InputError, OutputError, PlaceTaken
from cartwise.folders import locked, recover, require_new_or_begun, scratch
from cartwise.model import bundle as bundles
from cartwise.model.bundle import Bundle
from cartwise.model.contest import learned_until
from cartwise.model.evaluation import REPORT, Evaluation, EvaluationSettings, evaluate
from cartwise.model.mlflow_store import Tracking, require_reachable
from cartwise.model.tracking import TrackedRun, track
from cartwise.model.training import TrainingSettings, train
from cartwise.model.usage import Sample, measured
from cartwise.plain_files import refuse_endless
from cartwise.progress import SILENT, Progress

EVENTS: Final = "events"
TRAINING: Final = "training"
MODEL: Final = "model"
_WRITTEN: Final = frozenset({EVENTS, TRAINING, MODEL, bundles.METRICS, REPORT})


@dataclass(frozen=True)
class RunSettings:
    """The settings of every step of a run; without ``tracking`` it is not tracked."""

    training_set: TrainingSetSettings = field(default_factory=TrainingSetSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    tracking: Tracking | None = None


@dataclass(frozen=True)
class Run:
    """What every step of a run found.

    ``untracked`` is why it could not be tracked at its end, ``replaced`` the other model of an
    earlier run that its own took the place of.
    """

    out: Path
    ingest: IngestReport
    manifest: Manifest
    evaluation: Evaluation
    tracked: TrackedRun | None
    untracked: OutputError | None = None
    replaced: Bundle | None = None

    def facts(self) -> dict[str, Any]:
        """The run as JSON takes it: the metrics, flat, and what became of the rows."""
        return {**self.evaluation.metrics, "ingest": self.ingest.to_dict(), "out": str(self.out)}


def run(
    sources: Sequence[Path],
    out: Path,
    settings: RunSettings | None = None,
    *,
    truth: Path | None = None,
    progress: Progress = SILENT,
) -> Run:
    """Take raw event files to a model: ingest, training set, training, evaluation.

    ``out`` gets ``events/``, ``training/``, ``model/``, ``metrics.json`` and ``report.html``.
    Running again with more files goes on from what is there.

    Raises:
        PlaceTaken: ``out`` is one of the sources, or it holds what is not of a run.
        OutputError: runs cannot be tracked where they shall be; nothing was done.
        CartwiseError: what a step cannot do; the steps before it are complete.
    """
    settings = settings or RunSettings()
    if truth and not truth.exists():
        raise InputError(f"the truth file {truth} does not exist: check the path")
    if truth:
        refuse_endless(truth)
    for source in sources:
        if os.path.realpath(source) == os.path.realpath(out):
            raise PlaceTaken(f"'{out}' is both read and written to: choose another --out")
    require_new_or_begun(out, _WRITTEN.__contains__, "a run")
    _recover(out)
    _require_free(out)
    if settings.tracking:
        require_reachable(settings.tracking)
    with locked(out, "run"):
        return _run(sources, out, settings, truth, progress)


def _recover(out: Path) -> None:
    """Put back what a run that was killed while it replaced a folder had put aside."""
    if out.is_dir():
        with locked(out, "run"):
            for name in (TRAINING, MODEL):
                recover(out / name)


def _require_free(out: Path) -> None:
    """Raise PlaceTaken where a run would replace what is not of one."""
    if not (out / MODEL / bundles.CHECKSUMS).exists():
        names = (bundles.METRICS, REPORT)
        if held := [f"'{out / name}'" for name in names if (out / name).exists()]:
            raise PlaceTaken(
                f"there is no bundle in '{out / MODEL}' beside {' and '.join(held)}: if a run "
                "wrote that, delete it; otherwise choose another --out"
            )
    training_sets.require_free(out / TRAINING, out / EVENTS)
    bundles.require_free(out / MODEL)


def _run(
    sources: Sequence[Path],
    out: Path,
    settings: RunSettings,
    truth: Path | None,
    progress: Progress,
) -> Run:
    events, training, model = (out / name for name in (EVENTS, TRAINING, MODEL))
    earlier = _earlier(model)
    ingested = ingest(sources, events, progress=progress, skip=[training, model])
    require_events(ingested, events)
    manifest = training_sets.build(events, training, settings.training_set, progress=progress)
    # The bundle and what is said of it change together.
    with measured() as usage, scratch(model, told=out) as folder:
        trained = train(
            training, folder / MODEL, settings.training, progress=progress, built_by="cartwise run"
        )
        evaluation = evaluate(
            folder / MODEL,
            training,
            out,
            settings.evaluation,
            truth=truth,
            renewed=model,
            progress=progress,
        )
    replaced = earlier if earlier and earlier.version != trained.model_version else None
    whole = Run(out, ingested, manifest, evaluation, None, replaced=replaced)
    return _tracked(whole, usage, settings.tracking, progress) if settings.tracking else whole


def _earlier(model: Path) -> Bundle | None:
    # One that is damaged is replaced all the same.
    with suppress(BundleError, InputError, ValueError):
        bundle = Bundle.load(model)
        learned_until(bundle)
        return bundle
    return None


def _tracked(run: Run, usage: list[Sample], place: Tracking, progress: Progress) -> Run:
    """The run with where it was tracked; what it made is whole even where that fails."""
    progress.say("tracking the run in MLflow")
    try:
        tracked = track(run.out / MODEL, place, run.evaluation, run.out / TRAINING, usage)
    except OutputError as error:
        return replace(run, untracked=error)
    return replace(run, tracked=tracked)
