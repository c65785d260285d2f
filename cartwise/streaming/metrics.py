"""What workers and the archive count, in base units, for Prometheus."""

from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class WorkerMetrics:
    """The counters of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        count = _counters(self.registry, "stream")
        self.events = count("events", "Events applied to the states.")
        self.duplicates = count("duplicates", "Events left out, for they had been applied before.")
        self.late = count("late_events", "Events applied that are older than what is remembered.")
        self.dead_letters = count(
            "dead_letters", "Broken rules of messages that are no events.", "rule"
        )
        self.scores = count("scores", "Carts scored and published.")
        self.takeovers = count("takeovers", "Times that a partition was taken over.")
        self.setbacks = count("setbacks", "Batches given up, to be read again.", "error")
        self.lost = count("lost_events", "Events that were gone before they could be read.")
        self.swept = count("swept_states", "States dropped that nobody could see any more.")
        self.lag = _gauge(
            self.registry, "stream", "lag_events", "Messages yet to be read.", "partition"
        )
        self.store_up = _gauge(self.registry, "stream", "store_up", "Whether the store answers.")
        self.freshness = _histogram(
            self.registry, "freshness_seconds", "From an event's arrival to its readable state."
        )
        self.batch_seconds = _histogram(
            self.registry, "batch_seconds", "From a batch's messages to its merge."
        )

    def show_lag(self, lag: Mapping[str, int]) -> None:
        """Show the lag of these partitions, and of no others."""
        _show(self.lag, lag)


class ArchiveMetrics:
    """The counters of one archive."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        count = _counters(self.registry, "archive")
        self.events = count("events", "Events written to the lake.")
        self.files = count("files", "Files written to the lake.")
        self.refused = count("refused", "Messages that are no events; they are in dead letters.")
        self.lost = count("lost_events", "Events that were gone before they could be read.")
        self._lag = _gauge(
            self.registry, "archive", "lag_events", "Messages yet to be read.", "partition"
        )

    def show_lag(self, lag: Mapping[str, int]) -> None:
        """Show the lag of these partitions, and of no others."""
        _show(self._lag, lag)


def _show(gauge: Gauge, lag: Mapping[str, int]) -> None:
    gauge.clear()
    for source, events in lag.items():
        gauge.labels(source).set(events)


def _counters(registry: CollectorRegistry, process: str) -> Callable[..., Counter]:
    def counter(name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"cartwise_{process}_{name}", meaning, labels, registry=registry)

    return counter


def _gauge(
    registry: CollectorRegistry, process: str, name: str, meaning: str, *labels: str
) -> Gauge:
    return Gauge(f"cartwise_{process}_{name}", meaning, labels, registry=registry)


def _histogram(registry: CollectorRegistry, name: str, meaning: str) -> Histogram:
    return Histogram(f"cartwise_stream_{name}", meaning, buckets=_SECONDS, registry=registry)
