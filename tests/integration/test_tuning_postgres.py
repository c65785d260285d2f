"""A search of hyper-parameters in PostgreSQL, where several processes and machines share it."""

from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from cartwise.errors import OutputError
from cartwise.model.boosting import Boosting, Seeding
from cartwise.model.parameters import Parameters, Range
from cartwise.model.tuning import SCHEMA, Search, tune
from tests.model.worlds import write_world

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # of Optuna and its libraries
]

FEW = Parameters(
    Boosting(learning_rate=0.3, depth=2, rounds=30, patience=5), {"depth": Range(1, 3)}
)


def search(database: str, trials: int, jobs: int = 1) -> Search:
    return Search(FEW, Seeding(threads=1), trials, jobs, database)


def test_processes_share_and_continue_a_search_in_a_schema_of_its_own(
    postgres_url: str, tmp_path: Path
) -> None:
    training = write_world(tmp_path, carts=1500).training
    # MLflow's table of the same name, with a version that Optuna does not know.
    with psycopg.connect(postgres_url) as session:
        session.execute("create table alembic_version as select 'of mlflow' as version_num")
    first = tune(training, search(postgres_url, 2))
    more = tune(training, search(postgres_url, 4, jobs=2))
    assert first.completed + first.pruned == 2
    assert more.completed + more.pruned >= 4
    assert more.log_loss <= first.log_loss
    with psycopg.connect(postgres_url) as session:
        found = session.execute(
            f"select count(*) from {SCHEMA}.trials where state in ('COMPLETE', 'PRUNED')"  # noqa: S608
        ).fetchone()
        assert found == (more.completed + more.pruned,)
        kept = session.execute("select version_num from public.alembic_version").fetchone()
        assert kept == ("of mlflow",)
        session.execute("drop table public.alembic_version")


def test_a_refusing_database_is_named_without_its_password(
    postgres_url: str, tmp_path: Path
) -> None:
    training = write_world(tmp_path, carts=300).training
    where = urlsplit(postgres_url)
    account = f"{where.username}:not-the-password@{where.hostname}:{where.port}"
    with pytest.raises(OutputError, match=r"tuning stopped.*run it again") as refusal:
        tune(training, search(where._replace(netloc=account).geturl(), 1))
    assert where.path in str(refusal.value)
    assert "not-the-password" not in str(refusal.value)
