"""A made-up shop that goes on living: its events flow, its carts are scored, and a page shows it.

The API and the page are processes of their own, as in production. The worker is a thread here, with
a queue for a topic and SQLite for a store: that is all that a first evening needs.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cartwise.errors import ApiError, OutputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.logs import configure_logs
from cartwise.model.bundle import Bundle
from cartwise.page.client import Client
from cartwise.progress import Progress
from cartwise.serving.keys import Keyring, Scope
from cartwise.store import open_store
from cartwise.streaming.local import FileOutlet, QueueSource
from cartwise.streaming.materialize import materialize
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.replayer import replay
from cartwise.streaming.upkeep import Clock
from cartwise.streaming.worker import Worker
from cartwise.wire import Event, format_time

HORIZON_SECONDS: Final = 3600
MEMORY_BYTES: Final = 1_000_000_000
PATIENCE_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Ports:
    """Where the API and the page listen, on this machine only."""

    api: int = 8000
    page: int = 7860

    def require_free(self) -> None:
        """Raise OutputError where somebody listens there already."""
        for name, port in (("api", self.api), ("page", self.page)):
            with socket.socket() as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    tried.bind(("127.0.0.1", port))
                except OSError as error:
                    raise OutputError(
                        f"port {port} is taken: choose another one with --{name}-port"
                    ) from error


@dataclass(frozen=True)
class LiveShop:
    """A shop that has been through ``cartwise run``.

    Attributes:
        run: the folder of that run.
        days: raw files of what happens next.
        state: a folder for the store, the key and the logs.
        speed: seconds of the log per second; None for as fast as it goes.
    """

    run: Path
    days: Sequence[Path]
    state: Path
    speed: float | None

    @property
    def store_url(self) -> str:
        """Address of the store of states."""
        return f"sqlite:///{self.state.resolve() / 'states.db'}"

    @contextmanager
    def open(self, ports: Ports, progress: Progress) -> Iterator["Storefront"]:
        """Load the states, start API, worker and page, and end all of them with the block.

        Raises:
            OutputError: something did not start; its log says why.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        store = open_store(self.store_url, SPECIFICATION)
        loading = {"horizon_seconds": HORIZON_SECONDS, "memory_bytes": MEMORY_BYTES}
        materialize(self.run / "events", None, store, **loading, progress=progress)
        keys = self.state / "keys.json"
        ring, key = Keyring().with_new("demo", [Scope.SCORE, Scope.READ], datetime.now(UTC))
        ring.write(keys)
        with ExitStack() as opened:
            configure_logs(opened.enter_context(self._log("worker").open("w")))
            client = opened.enter_context(closing(Client(f"http://127.0.0.1:{ports.api}", key)))
            api = [
                *("serve", "--model", str(self.run / "model"), "--store-url", self.store_url),
                *("--port", str(ports.api), "--scores", str(self.state / "scores")),
                *("--keys", str(keys)),
            ]
            page = ["ui", "--api", client.url, "--port", str(ports.page)]
            server = opened.enter_context(self._child("api", api, {}))
            site = opened.enter_context(self._child("page", page, {"CARTWISE_KEY": key}))
            queue = opened.enter_context(self._worker())
            # With our key: a server that was there before does not know it.
            wait_for(client.models, server, self._log("api"))
            wait_for(lambda: _connect(ports.page), site, self._log("page"))
            yield Storefront(queue, client)

    def play(self, storefront: "Storefront") -> int:
        """Let the days go by; returns how many events they had."""
        return replay(self.days, storefront, "demo", speed=self.speed).sent

    def _log(self, name: str) -> Path:
        return self.state / f"{name}.log"

    @contextmanager
    def _child(
        self, name: str, arguments: Sequence[str], env: dict[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A command in a process of its own, which ends with the block."""
        program = [sys.executable, "-m", "cartwise", *arguments]
        with self._log(name).open("wb") as log:
            # In a session of its own, Ctrl-C reaches us alone: we end it in good order.
            child = subprocess.Popen(  # noqa: S603 - our own command
                program, env=os.environ | env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    @contextmanager
    def _worker(self) -> Iterator[QueueSource]:
        source, ending = QueueSource("demo", time.time), threading.Event()
        worker = Worker(
            source,
            open_store(self.store_url, SPECIFICATION),
            FileOutlet(self.state / "stream"),
            SPECIFICATION,
            Bundle.load(self.run / "model"),
            horizon_seconds=HORIZON_SECONDS,
            clock=Clock(time.time, time.monotonic),
            metrics=WorkerMetrics(),
        )
        thread = threading.Thread(target=worker.run, args=(ending.is_set,), name="worker")
        thread.start()
        try:
            yield source
        finally:
            ending.set()
            thread.join()


class Storefront:
    """What a shop's site does: ask for a score at every cart, and send every event."""

    def __init__(self, queue: QueueSource, client: Client) -> None:
        self._queue = queue
        self._client = client
        self.carts = 0

    def send_event(self, event: Event) -> None:
        """An event happens. A cart is scored before the worker hears of it."""
        if event.event_type == "cart":
            # A site shows its pages whether or not there is a score.
            with suppress(ApiError):
                self._client.score(_cart(event), 0)
                self.carts += 1
        self._queue.send_event(event)

    def poll(self) -> None:
        """Nothing is under way."""

    def flush(self) -> None:
        """Nothing is under way."""


def _cart(event: Event) -> dict[str, object]:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    del fields["event_type"]
    return fields | {"event_time": format_time(event.event_time)}


def _connect(port: int) -> None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError as error:
        raise ApiError("nobody listens yet") from error


def wait_for(answers: Callable[[], object], child: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a child answers; raises OutputError where it ends, or takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        with suppress(ApiError):
            answers()
            return
        time.sleep(_PAUSE_SECONDS)
    raise OutputError(f"the {log.stem} did not start: {log} says why")
