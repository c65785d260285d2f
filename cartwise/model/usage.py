"""What work takes of the machine while it goes on, under the names of MLflow's system metrics.

MLflow measures only what runs within one of its runs; here a run is written when its bundle is
whole, so the measuring is done beside the work and logged afterwards.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psutil

_SHORTEST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 10.0
_SHARE: Final = 0.05
# The processor's time comes in ticks of a hundredth: a shorter span has none, or far too many.
_LEAST_SECONDS: Final = 0.1
_MEGABYTE: Final = 1e6


@dataclass(frozen=True)
class Sample:
    """What was used at a moment, by MLflow's name of the metric."""

    unix_milliseconds: int
    used: Mapping[str, float]


@contextmanager
def measured() -> Iterator[list[Sample]]:
    """Samples of the machine and of this process while a block runs, the last at its end.

    They come every half second at first and every ten later, so that long work has hundreds. Where
    one came within a tenth of a second before the end, it is the last: shares are since the sample
    before, and of an instant they would be noise.
    """
    samples: list[Sample] = []
    process, done = psutil.Process(), threading.Event()
    # The first share is since the last call: these are the last calls.
    psutil.cpu_percent()
    process.cpu_percent()
    watch = threading.Thread(target=_watch, args=(process, samples, done), daemon=True)
    watch.start()
    try:
        yield samples
    finally:
        done.set()
        watch.join()


def _watch(process: psutil.Process, samples: list[Sample], done: threading.Event) -> None:
    begun = latest = time.monotonic()
    while not done.wait(_pause(latest - begun)):
        samples.append(_sample(process))
        latest = time.monotonic()
    if not samples or time.monotonic() - latest >= _LEAST_SECONDS:
        samples.append(_sample(process))


def _pause(elapsed: float) -> float:
    return min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, _SHARE * elapsed))


def _sample(process: psutil.Process) -> Sample:
    memory = psutil.virtual_memory()
    used = {
        "cpu_utilization_percentage": psutil.cpu_percent(),
        "system_memory_usage_megabytes": memory.used / _MEGABYTE,
        "system_memory_usage_percentage": memory.percent,
        "process_cpu_percentage": process.cpu_percent(),
        "process_memory_megabytes": process.memory_info().rss / _MEGABYTE,
    }
    return Sample(
        int(time.time() * 1000), {f"system/{name}": value for name, value in used.items()}
    )
