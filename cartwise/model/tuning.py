"""Tuning: hyper-parameters by Optuna on train and validation; calibration and test stay closed.

Every trial boosts until the validation part stops it, and is cut off early where it lags behind the
others at the same round. A study lies in a database under a name made of the training set and the
space, so a search that was cut off goes on from what it found, and several processes can share it.
"""

import hashlib
import logging
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from cartwise.disk import writable
from cartwise.errors import NotEnoughData, OutputError
from cartwise.model.boosting import Boosting, Seeding, boost_early_stopped
from cartwise.model.examples import TrainingSet
from cartwise.model.lineage import training_digest
from cartwise.model.mlflow_store import Tracking, experiment_id, opened
from cartwise.model.parameters import Parameters, is_whole
from cartwise.progress import SILENT, Progress

SCHEMA: Final = "tuning"
"""Schema of PostgreSQL: Optuna and MLflow both call a table of theirs ``alembic_version``."""

_DONE: Final = (TrialState.COMPLETE, TrialState.PRUNED)
_ROUNDS_PER_REPORT: Final = 10
_STARTING_TRIALS: Final = 5
_SENTENCE: Final = (
    "tuning stopped ({reason}): what was found is kept; see that '{uri}' is up and run it again"
)


@dataclass(frozen=True)
class Search:
    """A search: what is tuned from where, how often it tries, and where it keeps what it finds."""

    parameters: Parameters
    seeding: Seeding
    trials: int
    jobs: int
    database: str
    """SQLAlchemy's address of the study's database."""


@dataclass(frozen=True)
class Tuned:
    """The best hyper-parameters, their validation log loss, and how the trials ended."""

    boosting: Boosting
    log_loss: float
    completed: int
    pruned: int


def sqlite_database(folder: Path) -> str:
    """The address of the local database in a folder, which is made."""
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder.resolve() / 'tuning.db'}"


def tune(
    training: Path,
    search: Search,
    place: Tracking | None = None,
    *,
    progress: Progress = SILENT,
) -> Tuned:
    """Search until ``search.trials`` trials are done, those of earlier calls included.

    With ``place``, the search is a run of MLflow and each of its trials a run nested in it.

    Raises:
        InputError: ``training`` is no training set.
        NotEnoughData: it is too small to have a validation part.
        OutputError: the study's database or MLflow cannot be reached; what was found is kept.
    """
    data = TrainingSet.open(training)
    if data.manifest.small:
        raise NotEnoughData(
            f"'{training}' has no validation part to tune by: give a longer log, or do not tune"
        )
    with (
        _tracked(place, training) as log_trials,
        _reached(search.database),
        _study(training, search, worker=0) as study,
    ):
        _run(study, training, search, progress)
        log_trials(study.get_trials(deepcopy=False, states=_DONE))
        return _best(study, search.parameters.boosting)


def _best(study: optuna.Study, start: Boosting) -> Tuned:
    trials = study.get_trials(deepcopy=False, states=_DONE)
    completed = sum(trial.state == TrialState.COMPLETE for trial in trials)
    found = replace(start, **study.best_params)
    return Tuned(found, study.best_value, completed, len(trials) - completed)


def _run(study: optuna.Study, training: Path, search: Search, progress: Progress) -> None:
    done = _done(study)
    with progress.task("tune", search.trials, "trials") as advance:
        advance(min(done, search.trials))
        if search.jobs == 1:
            _work(training, search, 0, lambda: advance(1))
        else:
            _share(study, training, search, advance)


def _share(
    study: optuna.Study, training: Path, search: Search, advance: Callable[[int], None]
) -> None:
    """Let processes take trials until there are enough."""
    fresh, told = multiprocessing.get_context("spawn"), _done(study)
    workers = [
        fresh.Process(target=_work, args=(training, search, worker), daemon=True)
        for worker in range(search.jobs)
    ]
    for worker in workers:
        worker.start()
    try:
        while alive := [worker for worker in workers if worker.is_alive()]:
            alive[0].join(1.0)
            now = _done(study)
            advance(now - told)
            told = now
    finally:
        for worker in workers:
            worker.terminate()
    if told < search.trials:
        raise OutputError("a process of the search ended early: run it again, it goes on")


def _work(
    training: Path, search: Search, worker: int, on_trial: Callable[[], None] = lambda: None
) -> None:
    """Take trials, as one of several that do, until the study has enough of them."""
    seeding = search.seeding if search.jobs == 1 else replace(search.seeding, threads=1)
    objective = partial(_loss, TrainingSet.open(training), search.parameters, seeding)
    with _study(training, search, worker) as study:
        while _done(study) < search.trials:
            study.optimize(objective, n_trials=1)
            on_trial()


def _loss(
    data: TrainingSet, parameters: Parameters, seeding: Seeding, trial: optuna.Trial
) -> float:
    """The validation log loss of what a trial suggests; raises TrialPruned where it lags."""

    def watch(round_: int, loss: float) -> None:
        if round_ % _ROUNDS_PER_REPORT == 0:
            trial.report(loss, round_)
            if trial.should_prune():
                raise optuna.TrialPruned

    boosting = replace(parameters.boosting, **_suggested(trial, parameters))
    _, loss = boost_early_stopped(data, boosting, seeding, SILENT, watch=watch)
    return loss


def _suggested(trial: optuna.Trial, parameters: Parameters) -> dict[str, Any]:
    return {
        name: trial.suggest_int(name, int(one.low), int(one.high), log=one.log)
        if is_whole(name)
        else trial.suggest_float(name, one.low, one.high, log=one.log)
        for name, one in parameters.space.items()
    }


@contextmanager
def _study(training: Path, search: Search, worker: int) -> Iterator[optuna.Study]:
    """The study, made where it is missing; its connections end with the block."""
    optuna.logging.set_verbosity(logging.WARNING)
    storage = _storage(search.database)
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=_name(training, search.parameters),
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=search.seeding.seed + 1000 * worker),
            pruner=optuna.pruners.MedianPruner(_STARTING_TRIALS, n_warmup_steps=_ROUNDS_PER_REPORT),
        )
        if worker == 0 and not study.get_trials(deepcopy=False):
            study.enqueue_trial(_start(search.parameters))
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _start(parameters: Parameters) -> dict[str, Any]:
    """What is set already is the first trial: tuning never ends with anything worse."""
    given = {name: getattr(parameters.boosting, name) for name in parameters.space}
    return {
        name: value
        for name, value in given.items()
        if parameters.space[name].low <= value <= parameters.space[name].high
    }


def _storage(database: str) -> optuna.storages.RDBStorage:
    url = sqlalchemy.make_url(database)
    if url.get_backend_name() != "postgresql":
        return optuna.storages.RDBStorage(database, engine_kwargs={"connect_args": {"timeout": 60}})
    url = url.set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    engine.dispose()
    return optuna.storages.RDBStorage(
        url.render_as_string(hide_password=False),
        engine_kwargs={"connect_args": {"options": f"-c search_path={SCHEMA}"}},
    )


def _name(training: Path, parameters: Parameters) -> str:
    space = hashlib.sha256(repr((parameters.boosting, dict(parameters.space))).encode()).hexdigest()
    return f"cartwise-{training_digest(training)}-{space[:8]}"


def _done(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=_DONE))


@contextmanager
def _reached(database: str) -> Iterator[None]:
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        where = sqlalchemy.make_url(database).render_as_string()
        reason = str(error).strip().partition("\n")[0]
        raise OutputError(_SENTENCE.format(uri=where, reason=reason)) from error


@contextmanager
def _tracked(
    place: Tracking | None, training: Path
) -> Iterator[Callable[[list[FrozenTrial]], None]]:
    """A run around the search, and how to log its trials; nothing where there is no place."""
    if place is None:
        yield lambda _: None
        return
    with opened(place, OutputError, _SENTENCE) as mlflow:
        experiment, tags = experiment_id(mlflow, place), {"training_set": training_digest(training)}
        with mlflow.start_run(
            experiment_id=experiment, run_name="tuning", tags=tags, log_system_metrics=True
        ):
            yield partial(_log_trials, mlflow)


def _log_trials(mlflow: Any, trials: list[FrozenTrial]) -> None:
    experiment = mlflow.active_run().info.experiment_id
    for trial in trials:
        name, tags = f"trial {trial.number}", {"state": trial.state.name.lower()}
        with mlflow.start_run(experiment_id=experiment, nested=True, run_name=name, tags=tags):
            mlflow.log_params({f"boosting.{name}": value for name, value in trial.params.items()})
            _log_losses(mlflow, trial.intermediate_values)
            if trial.state == TrialState.COMPLETE and trial.value is not None:
                mlflow.log_metric("validation_log_loss", trial.value)
    best = min(
        (trial.value for trial in trials if trial.state == TrialState.COMPLETE and trial.value),
        default=None,
    )
    mlflow.log_metric("trials", len(trials))
    if best is not None:
        mlflow.log_metric("validation_log_loss", best)


def _log_losses(mlflow: Any, losses: Mapping[int, float]) -> None:
    client, run = mlflow.MlflowClient(), mlflow.active_run().info
    metric = mlflow.entities.Metric
    rows = [metric("log_loss", loss, run.start_time, step) for step, loss in losses.items()]
    if rows:
        client.log_batch(run.run_id, metrics=rows)
