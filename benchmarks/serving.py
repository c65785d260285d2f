"""``python -m benchmarks.serving``: carts per second on one core, and how long an answer takes.

Servers run on the first core; Redis and wrk, which asks, on the second. First as fast as it goes,
then at half of that, by clients that pause at random between requests. All on the same states,
carts and trees: ``cartwise serve``; the same application on Granian; and what one builds from
Feast's SDK and ``mlflow models serve``. With ``--soak`` only ``cartwise serve``, at half load for
so many minutes, with its memory.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.serving_world import carts, redis_with_states, write_load, write_models

CONNECTIONS = 16
MOST_PAUSING_CONNECTIONS = 128
SERVER_CORE, OTHER_CORE = 0, 1
BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[1] / "feature_repo"

Facts = dict[str, float]


def main() -> int:
    """Print a table, or one JSON object."""
    options = _options()
    if shutil.which("wrk") is None or not hasattr(os, "sched_setaffinity"):
        sys.stderr.write("this needs Linux and wrk (Debian and Ubuntu: apt install wrk)\n")
        return 1
    described = machine.describe()
    with tempfile.TemporaryDirectory(prefix="cartwise-serving-") as name, ExitStack() as stack:
        folder = Path(name)
        write_models(folder)
        redis = stack.enter_context(redis_with_states(folder / "redis"))
        _pin_children(OTHER_CORE)
        variables = {"CARTWISE_STORE_URL": redis.url, "CARTWISE_MODEL": str(folder / "bundle")}
        if options.soak:
            facts = _soak(folder, variables, options.soak)
        else:
            facts = _contest(folder, variables, options)
    sys.stdout.write(json.dumps({"machine": described, "servers": facts}) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--seconds", type=int, default=15, help="for each measurement")
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES")
    parser.add_argument("--only", nargs="+", choices=tuple(_SERVERS), default=tuple(_SERVERS))
    return parser.parse_args()


def _contest(
    folder: Path, variables: Mapping[str, str], options: argparse.Namespace
) -> dict[str, dict[str, Facts]]:
    found = {}
    for name in options.only:
        with _SERVERS[name](folder, variables) as (address, process):
            _require_scores(address)
            found[name] = _measured(folder, address, process, options.seconds)
    _show(found)
    return found


def _measured(
    folder: Path, address: str, process: psutil.Process, seconds: int
) -> dict[str, Facts]:
    _ask(folder, address, seconds=3)
    full = _ask(folder, address, seconds)
    full["per_second"] = full["requests"] / full["seconds"]
    before = _cpu_seconds(process)
    half = _ask(folder, address, seconds, per_second=full["per_second"] / 2)
    half["per_second"] = half["requests"] / half["seconds"]
    half["cpu_us"] = 1e6 * (_cpu_seconds(process) - before) / half["requests"]
    return {"full": full, "half": half}


def _ask(folder: Path, address: str, seconds: float, per_second: float = 0) -> Facts:
    """Let wrk ask; at ``per_second`` if that is given, as fast as it goes otherwise."""
    connections = _pausing(per_second) if per_second else CONNECTIONS
    pause_ms = 1000 * connections / per_second if per_second else 0
    script = write_load(folder / "load.lua", pause_ms)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "30", "-s", script]
    told = subprocess.run(
        [*map(str, command), f"{address}/v1/score"], capture_output=True, text=True, check=True
    ).stdout
    return dict(json.loads(re.findall(r"^JSON (.*)$", told, re.MULTILINE)[0]))


def _pausing(per_second: float) -> int:
    """Connections that pause for an eighth of a second or more between two requests."""
    return max(2, min(MOST_PAUSING_CONNECTIONS, round(per_second / 8)))


def _soak(folder: Path, variables: Mapping[str, str], minutes: float) -> list[Facts]:
    """Half load for so long: what each minute was like, with the server's memory at its end."""
    found = []
    with _cartwise(folder, variables) as (address, process):
        _ask(folder, address, seconds=3)
        full = _ask(folder, address, seconds=10)
        rate = full["requests"] / full["seconds"] / 2
        for _ in range(max(1, round(minutes))):
            minute = _ask(folder, address, seconds=60, per_second=rate)
            minute["resident_bytes"] = process.memory_info().rss
            found.append(minute)
            sys.stderr.write(json.dumps(minute) + "\n")
    return found


def _require_scores(address: str) -> None:
    for cart in carts()[:20]:
        answer = httpx.post(f"{address}/v1/score", json=cart, timeout=60)
        answer.raise_for_status()
        assert '"request-only"' not in answer.text, answer.text  # noqa: S101 - states were read


@contextmanager
def _cartwise(folder: Path, variables: Mapping[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    port = _free_port()
    command = [BIN / "cartwise", "serve", "--no-auth", "--port", port, "--scores", folder / "log"]
    with _running(command, variables, port, SERVER_CORE) as process:
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def _granian(_: Path, variables: Mapping[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    command = [BIN / "granian", "--interface", "asgi", "--factory"]
    with _hosted(command, "benchmarks.serving_app:make", variables) as running:
        yield running


@contextmanager
def _uvicorn(_: Path, variables: Mapping[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    with _hosted([BIN / "uvicorn", "--factory"], "benchmarks.serving_app:make", variables) as found:
        yield found


@contextmanager
def _hosted(
    command: Sequence[object], factory: str, variables: Mapping[str, str]
) -> Iterator[tuple[str, psutil.Process]]:
    """An application in a server that takes these options."""
    port = _free_port()
    options = ["--port", port, "--no-access-log", "--log-level", "warning", factory]
    with _running([*command, *options], variables, port, SERVER_CORE) as process:
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def _peer(folder: Path, variables: Mapping[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """Feast and MLflow, on the same one core."""
    repository = folder / "feature_repo"
    shutil.copytree(REPOSITORY, repository)
    text = (repository / "feature_store.yaml").read_text()
    local = re.sub(r"url: .*", f"url: {variables['CARTWISE_STORE_URL']}", text)
    (repository / "feature_store.yaml").write_text(local)
    (folder / "out" / "events").mkdir(parents=True)
    subprocess.run(
        [BIN / "feast", "-c", repository, "apply", "--skip-source-validation"],
        check=True,
        capture_output=True,
    )
    models = _free_port()
    serve = [
        *(BIN / "mlflow", "models", "serve", "-m", folder / "mlflow", "-p", models),
        *("--env-manager", "local", "--workers", 1),
    ]
    own = {
        "PEER_FEATURE_REPO": str(repository),
        "PEER_MLFLOW_URL": f"http://127.0.0.1:{models}",
    }
    path = {"PATH": f"{BIN}:{os.environ['PATH']}"}
    app = [BIN / "uvicorn", "--factory"], "benchmarks.serving_peer:make", {**variables, **own}
    with _running(serve, path, models, SERVER_CORE), _hosted(*app) as running:
        yield running


_SERVERS = {"cartwise": _cartwise, "uvicorn": _uvicorn, "granian": _granian, "feast+mlflow": _peer}


@contextmanager
def _running(
    command: Sequence[object], variables: Mapping[str, str], port: int, core: int
) -> Iterator[psutil.Process]:
    process = psutil.Popen(
        ["taskset", "-c", str(core), *map(str, command)],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await(process, port)
        yield process
    finally:
        for one in [*process.children(recursive=True), process]:
            one.terminate()
        process.wait(60)


def _await(process: psutil.Popen, port: int) -> None:
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
        assert process.poll() is None, "the server ended"  # noqa: S101
    raise TimeoutError(f"nobody listens at port {port}")


def _cpu_seconds(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def _pin_children(core: int) -> None:
    """Let this process, what it starts from now on, and what it has started run on one core."""
    for one in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        one.cpu_affinity([core])


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _show(found: Mapping[str, Mapping[str, Facts]]) -> None:
    table = Table("server", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "cpu us", "errors")
    for name, facts in found.items():
        for load, one in facts.items():
            row = [one["per_second"], one["p50_ms"], one["p99_ms"], one["p99.9_ms"]]
            rest = [one.get("cpu_us", 0), one["errors"]]
            table.add_row(f"{name}, {load} load", *(f"{value:,.1f}" for value in row + rest))
    Console(stderr=True).print(table)


if __name__ == "__main__":
    sys.exit(main())
