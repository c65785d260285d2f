"""The process: an ASGI server around the application, and metrics on a port of their own."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
import uvicorn
from fastapi import FastAPI
from prometheus_client import start_http_server

from cartwise.errors import OutputError
from cartwise.hosts import is_loopback
from cartwise.serving.connection import Connection
from cartwise.serving.metrics import Metrics


@dataclass(frozen=True)
class Address:
    """Where to listen; ``metrics_port`` None for no metrics, port 0 for a free one."""

    host: str = "127.0.0.1"
    port: int = 8000
    metrics_port: int | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def serve(app: FastAPI, metrics: Metrics, address: Address, *, grace_seconds: int = 30) -> None:
    """Serve until SIGTERM or SIGINT; what was begun is then finished, for so long at most.

    Raises OutputError where a port cannot be had.
    """
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        http=Connection,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        log_config=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=grace_seconds,
        backlog=1024,
    )
    with _listening(address) as listening, _metrics_server(metrics, address):
        _say(listening)
        # Uvicorn raises the signal that ended it once more, for those who wait for it; who stops
        # when asked to, after everything is done, has not failed.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address.host, address.port))
        except OSError as error:
            raise _taken(address.host, address.port, error) from error
        yield listening


@contextmanager
def _metrics_server(metrics: Metrics, address: Address) -> Iterator[None]:
    if address.metrics_port is None:
        yield
        return
    try:
        server, thread = start_http_server(
            address.metrics_port, address.host, registry=metrics.registry
        )
    except OSError as error:
        raise _taken(address.host, address.metrics_port, error) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _taken(host: str, port: int, error: OSError) -> OutputError:
    return OutputError(
        f"cannot listen at {host}:{port} ({error.strerror}): choose another host or port"
    )


def _say(listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    structlog.get_logger("cartwise.serving").info(
        "serving", address=address, docs=f"{address}/docs"
    )
