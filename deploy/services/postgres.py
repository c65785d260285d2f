"""PostgreSQL: what MLflow knows, and registries."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

from deploy.services.kept import write_private
from deploy.services.server import Server, Unavailable, listens

_REMEDY: Final = "get PostgreSQL (Debian and Ubuntu: apt install postgresql)"
_USER: Final = "cartwise"
_ACCOUNT: Final = "postgres"


class Postgres(Server):
    """A cluster of its own, with one superuser whose password is asked for."""

    name = "postgres"
    # "Fast": sessions are ended, data is written.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        account = f"{_USER}:{self.kept.secret('password')}"
        return f"postgresql://{account}@127.0.0.1:{self.kept.port()}/{database}"

    def prepare(self) -> None:
        _binary("postgres")
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster()

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.kept.port()),
            "unix_socket_directories": "",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [*_as_account(), _binary("postgres"), "-D", str(self._data), *settings]

    def answers(self) -> bool:
        import psycopg  # noqa: PLC0415

        if not listens(self.kept.port()):
            return False
        try:
            with self.session() as session:
                session.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def addresses(self) -> dict[str, str]:
        return {"CARTWISE_POSTGRES_URL": self.url}

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A connection to the cluster; every statement is a transaction."""
        import psycopg  # noqa: PLC0415

        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as session:
            yield session

    def require_database(self, name: str) -> str:
        """The address of a database, which is made where it is missing."""
        with self.session() as session:
            query = "select 1 from pg_database where datname = %s"
            if session.execute(query, [name]).fetchone() is None:
                session.execute(f'create database "{name}"')
        return self.url_of(name)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _make_cluster(self) -> None:
        password = self.folder / "password"
        write_private(password, self.kept.secret("password"))
        arguments = ["-D", str(self._data), "-U", _USER, f"--pwfile={password}"]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        command = [*_as_account(), _binary("initdb"), *arguments, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        password.unlink()
        if done.returncode != 0:
            raise Unavailable(f"PostgreSQL's cluster cannot be made: {done.stderr.strip()}")


def _binary(name: str) -> str:
    """The newest server's program; Debian keeps these off the path."""
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=shutil.which(name))
    if newest is None:
        raise Unavailable(f"PostgreSQL is not installed: {_REMEDY}")
    return str(newest)


def _as_account() -> list[str]:
    """What makes root another account, as PostgreSQL demands; others stay who they are.

    The account may pass folders that are closed to it: a checkout often lies in a private one.
    """
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError as error:
        raise Unavailable(
            f"PostgreSQL does not run as root, and there is no account '{_ACCOUNT}': {_REMEDY}"
        ) from error
    account = ["--reuid", _ACCOUNT, "--regid", _ACCOUNT, "--init-groups"]
    may = [f"--{kind}-caps=+dac_override" for kind in ("inh", "ambient")]
    return ["setpriv", *account, *may, "--bounding-set=-all,+dac_override", "--no-new-privs"]
