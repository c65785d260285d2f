"""The process of one contestant; its arguments are those of :func:`main`."""

import importlib
import json
import sys
import time
from pathlib import Path

import psutil


def main(module: str, warm: str, warm_out: str, source: str, out: str, facts: str) -> None:
    """Warm up, work, and write down what the work took."""
    run = importlib.import_module(module).run
    run(Path(warm), Path(warm_out))
    start, used = time.perf_counter(), _cpu_seconds()
    run(Path(source), Path(out))
    taken = {"seconds": time.perf_counter() - start, "cpu_seconds": _cpu_seconds() - used}
    Path(facts).write_text(json.dumps(taken))


def _cpu_seconds() -> float:
    """Of this process and of the run-time systems that it started."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(one.user + one.system for one in times)


if __name__ == "__main__":
    main(*sys.argv[1:])
