"""What the server counts, in base units, for Prometheus."""

import time
from collections.abc import Collection
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SHARES: Final = tuple(step / 20 for step in range(1, 21))
OTHER: Final = "other"
"""Label of every path that is no route: labels stay few, whatever strangers ask for."""


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cartwise_requests",
            "Requests by route and status.",
            ("path", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "cartwise_request_seconds",
            "From the first byte of a request to the start of its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.store_seconds = Histogram(
            "cartwise_store_read_seconds",
            "One round trip to the store.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.store_failures = Counter(
            "cartwise_store_failures", "Reads that failed or timed out.", registry=self.registry
        )
        self.probability = Histogram(
            "cartwise_probability",
            "Probabilities that were answered.",
            ("features",),
            buckets=_SHARES,
            registry=self.registry,
        )
        self.models = Gauge(
            "cartwise_model_loaded",
            "1 for the models of the moment.",
            ("role", "version"),
            registry=self.registry,
        )
        self.trouble = Gauge(
            "cartwise_part_ok",
            "Whether a part of the service does its work.",
            ("part",),
            registry=self.registry,
        )
        self.scores_kept = Gauge(
            "cartwise_score_log_kept", "Scores handed to the score log.", registry=self.registry
        )
        self.scores_dropped = Gauge(
            "cartwise_score_log_dropped",
            "Scores that the score log could not take.",
            registry=self.registry,
        )


class Measured:
    """An ASGI application that times what ``app`` answers; ``paths`` are those of its routes."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)
        self._seconds = {path: metrics.seconds.labels(path) for path in {*paths, OTHER}}

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer one request and measure it."""
        if connection["type"] != "http":
            await self._app(connection, receive, send)
            return
        start = time.perf_counter()
        path = connection["path"] if connection["path"] in self._paths else OTHER

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._seconds[path].observe(time.perf_counter() - start)
                self._metrics.requests.labels(path, str(message["status"])).inc()
            await send(message)

        await self._app(connection, receive, measured)
