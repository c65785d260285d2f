"""MLflow: runs and registered models, behind a password; PostgreSQL and S3 keep them."""

import sys
from base64 import b64encode
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final
from urllib.error import URLError
from urllib.request import Request, urlopen

from deploy.services.kept import write_private
from deploy.services.postgres import Postgres
from deploy.services.seaweedfs import SeaweedFS
from deploy.services.server import Server, Unavailable, listens

_BUCKET: Final = "mlflow"
_ADMIN: Final = "admin"
_PACKAGES: Final = ("mlflow", "flask_wtf", "psycopg", "boto3")


class MLflow(Server):
    """A tracking server that hands artifacts through, so that clients need no key of the bucket."""

    name = "mlflow"
    needs: ClassVar[tuple[str, ...]] = ("postgres", "s3")
    start_seconds: ClassVar[float] = 300

    def __init__(self, folder: Path, postgres: Postgres, s3: SeaweedFS) -> None:
        super().__init__(folder)
        self._postgres = postgres
        self._s3 = s3

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.kept.port()}"

    def prepare(self) -> None:
        for package in _PACKAGES:
            if find_spec(package) is None:
                raise Unavailable(f"MLflow's server needs {package}: install the extra 'dev'")
        self._s3.require_bucket(_BUCKET)
        write_private(self._accounts, self._options())

    def command(self) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(self.kept.port()), "--workers", "1"]
        return [sys.executable, "-m", "mlflow", "server", *where, "--app-name", "basic-auth"]

    def environment(self) -> Mapping[str, str]:
        return {
            **self._s3.credentials(),
            "MLFLOW_S3_ENDPOINT_URL": self._s3.endpoint,
            "MLFLOW_BACKEND_STORE_URI": _with_driver(self._postgres.require_database("mlflow")),
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{_BUCKET}",
            "MLFLOW_AUTH_CONFIG_PATH": str(self._accounts),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": self.kept.secret("session_key"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def answers(self) -> bool:
        if not listens(self.kept.port()):
            return False
        account = b64encode(f"{_ADMIN}:{self.kept.secret('password')}".encode()).decode()
        experiment = f"{self.uri}/api/2.0/mlflow/experiments/get?experiment_id=0"
        request = Request(experiment, headers={"Authorization": f"Basic {account}"})
        try:
            with urlopen(request, timeout=10) as answer:
                return bool(answer.status == 200)
        except (URLError, TimeoutError, ConnectionError):
            return False

    def addresses(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": _ADMIN,
            "MLFLOW_TRACKING_PASSWORD": self.kept.secret("password"),
        }

    @property
    def _accounts(self) -> Path:
        return self.folder / "accounts.ini"

    def _options(self) -> str:
        return f"""\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {_with_driver(self._postgres.require_database("mlflow_accounts"))}
admin_username = {_ADMIN}
auth_cache_ttl_seconds = 60
admin_password = {self.kept.secret("password")}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")
