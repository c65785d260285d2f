"""Tuning: hyper-parameters by Optuna, judged as training judges them; the test part stays closed.

Every trial boosts at its own depth until the loss stops falling, of the validation part or, where
carts are few, in cross-validation; it is cut off early where it lags behind the others at the same
round. A study lies in a database under a name made of the training set and the space, so a search
that was cut off goes on from what it found, and several processes can share it.
"""

import hashlib
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from cartwise.model.boosting import Boosting, Seeding
from cartwise.model.crossfit import at_hand, depth_of, loss_of, name_of_loss
from cartwise.model.examples import TrainingSet
from cartwise.model.lineage import training_digest
from cartwise.model.mlflow_store import Tracking, experiment_id, opened
from cartwise.model.parameters import Parameters, Range, is_whole
from cartwise.progress import SILENT, Progress

SCHEMA: Final = "tuning"
"""Schema of PostgreSQL: Optuna and MLflow both call a table of theirs ``alembic_version``."""

_DONE: Final = (TrialState.COMPLETE, TrialState.PRUNED)
_ROUNDS_PER_REPORT: Final = 10
_STARTING_TRIALS: Final = 5
_DEPTH: Final = "depth"
"""Of the study: that of the trees which training without tuning would take."""
_START: Final = "set"
"""Of the first trial: names in the space whose value is the one that is set."""
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
    """The best hyper-parameters, their log loss with its name, and how the trials ended."""

    boosting: Boosting
    log_loss: float
    name_of_loss: str
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
        _begin(study, data, search, progress)
        _run(study, training, search, progress)
        log_trials(study.get_trials(deepcopy=False, states=_DONE), name_of_loss(data))
        return _best(study, search.parameters, name_of_loss(data))


def _begin(study: optuna.Study, data: TrainingSet, search: Search, progress: Progress) -> None:
    """Have what is set tried, as training would take it: tuning never ends with anything worse."""
    parameters = search.parameters
    if _DEPTH not in study.user_attrs:
        depth = depth_of(at_hand(data), parameters.boosting, search.seeding, progress)
        study.set_user_attr(_DEPTH, depth)
    known = study.get_trials(deepcopy=False, states=(*_DONE, TrialState.WAITING))
    if not any(_START in trial.user_attrs for trial in known):
        start = _start(_untuned(study, parameters), parameters.space)
        study.enqueue_trial(start, {_START: [*start]})


def _untuned(study: optuna.Study, parameters: Parameters) -> Boosting:
    """What is set, with the depth that training would find."""
    return replace(parameters.boosting, depth=study.user_attrs[_DEPTH])


def _start(untuned: Boosting, space: Mapping[str, Range]) -> dict[str, Any]:
    """What is set of what the space holds."""
    given = {name: getattr(untuned, name) for name in space}
    return {
        name: value for name, value in given.items() if space[name].low <= value <= space[name].high
    }


def _best(study: optuna.Study, parameters: Parameters, name: str) -> Tuned:
    trials = study.get_trials(deepcopy=False, states=_DONE)
    completed = sum(trial.state == TrialState.COMPLETE for trial in trials)
    found = replace(_untuned(study, parameters), **study.best_params)
    # A depth that was found is not searched for again.
    found = replace(found, shallowest=found.depth)
    return Tuned(found, study.best_value, name, completed, len(trials) - completed)


def _run(study: optuna.Study, training: Path, search: Search, progress: Progress) -> None:
    done = _done(study)
    with progress.task("tune", search.trials, "trial") as advance:
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
    data = at_hand(TrainingSet.open(training))
    objective = partial(_loss, data, search.parameters, seeding)
    with _study(training, search, worker) as study:
        while _done(study) < search.trials:
            study.optimize(objective, n_trials=1)
            on_trial()


def _loss(
    data: TrainingSet, parameters: Parameters, seeding: Seeding, trial: optuna.Trial
) -> float:
    """The log loss of what a trial suggests; raises TrialPruned where it lags."""
    names = trial.user_attrs.get(_START)

    def watch(round_: int, loss: float) -> None:
        if round_ % _ROUNDS_PER_REPORT == 0:
            trial.report(loss, round_)
            if names is None and trial.should_prune():
                raise optuna.TrialPruned

    suggested = _suggested(trial, parameters.space, parameters.space if names is None else names)
    boosting = replace(_untuned(trial.study, parameters), **suggested)
    return loss_of(data, boosting, seeding, watch)


def _suggested(
    trial: optuna.Trial, space: Mapping[str, Range], names: Iterable[str]
) -> dict[str, Any]:
    return {
        name: trial.suggest_int(name, int(one.low), int(one.high), log=one.log)
        if is_whole(name)
        else trial.suggest_float(name, one.low, one.high, log=one.log)
        for name in names
        for one in [space[name]]
    }


@contextmanager
def _study(training: Path, search: Search, worker: int) -> Iterator[optuna.Study]:
    """The study, made where it is missing; its connections end with the block."""
    optuna.logging.set_verbosity(logging.WARNING)
    storage = _storage(search.database)
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=_name(training, search),
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=search.seeding.seed + 1000 * worker),
            pruner=optuna.pruners.MedianPruner(_STARTING_TRIALS, n_warmup_steps=_ROUNDS_PER_REPORT),
        )
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


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


def _name(training: Path, search: Search) -> str:
    # Losses of another seed are of other folds: they cannot be compared.
    space = sorted(search.parameters.space.items())
    told = (search.parameters.boosting, space, search.seeding.seed)
    digest = hashlib.sha256(repr(told).encode()).hexdigest()
    return f"cartwise-{training_digest(training)}-{digest[:8]}"


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
) -> Iterator[Callable[[list[FrozenTrial], str], None]]:
    """A run around the search, and how to log its trials; nothing where there is no place."""
    if place is None:
        yield lambda *_: None
        return
    with opened(place, OutputError, _SENTENCE) as mlflow:
        experiment, tags = experiment_id(mlflow, place), {"training_set": training_digest(training)}
        with mlflow.start_run(
            experiment_id=experiment, run_name="tuning", tags=tags, log_system_metrics=True
        ):
            yield partial(_log_trials, mlflow)


def _log_trials(mlflow: Any, trials: list[FrozenTrial], name_of_loss: str) -> None:
    experiment = mlflow.active_run().info.experiment_id
    for trial in trials:
        name, tags = f"trial {trial.number}", {"state": trial.state.name.lower()}
        with mlflow.start_run(experiment_id=experiment, nested=True, run_name=name, tags=tags):
            mlflow.log_params({f"boosting.{name}": value for name, value in trial.params.items()})
            _log_losses(mlflow, trial.intermediate_values)
            if trial.state == TrialState.COMPLETE and trial.value is not None:
                mlflow.log_metric(name_of_loss, trial.value)
    best = min(
        (trial.value for trial in trials if trial.state == TrialState.COMPLETE and trial.value),
        default=None,
    )
    mlflow.log_metric("trials", len(trials))
    if best is not None:
        mlflow.log_metric(name_of_loss, best)


def _log_losses(mlflow: Any, losses: Mapping[int, float]) -> None:
    client, run = mlflow.MlflowClient(), mlflow.active_run().info
    metric = mlflow.entities.Metric
    rows = [metric("log_loss", loss, run.start_time, step) for step, loss in losses.items()]
    if rows:
        client.log_batch(run.run_id, metrics=rows)
