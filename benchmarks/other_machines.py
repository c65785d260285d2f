"""Whether other processors give the same bits: ``python -m benchmarks.other_machines``.

A small log is made, ingested and trained on here; then other processors make vectors of the same
log, and score the same vectors with the same bundle. They are emulated by QEMU (Debian's package
``qemu-user``), or pretended: the compiled core is made for another processor, and the C library and
NumPy are told to leave out what it lacks.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.other_machines_probe import BUNDLE, EVENTS, VECTORS, vectors_of
from cartwise.data.ingest import ingest
from cartwise.data.simulate import simulate
from cartwise.data.training_set import build
from cartwise.model.boosting import Boosting
from cartwise.model.training import TrainingSettings, train

EMULATOR = "qemu-x86_64"
# What QEMU has no emulation of, and would only warn about.
_UNKNOWN = "pcid,x2apic,tsc-deadline,hle,invpcid,rtm"
_AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
SESSIONS = 8000


@dataclass(frozen=True)
class Machine:
    """A processor: how a program is started on it, and with which variables."""

    name: str
    prefix: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    vectors: bool = True
    """Whether Polars, and so the replay, starts on it."""


def machines() -> Iterator[Machine]:
    """This one first; the emulated ones only where there is an emulator."""
    yield Machine("this one")
    haswell = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    yield Machine(
        "pretended Haswell: AVX2, no AVX-512",
        variables=haswell
        | {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F", "NPY_DISABLE_CPU_FEATURES": _AVX512},
    )
    yield Machine(
        "pretended Nehalem: neither AVX nor FMA",
        variables={
            "NUMBA_CPU_NAME": "nehalem",
            "NUMBA_CPU_FEATURES": "",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4",
            "NPY_DISABLE_CPU_FEATURES": f"{_AVX512} AVX2 FMA3",
        },
    )
    if shutil.which(EMULATOR):
        without = ",".join(f"-{name}" for name in _UNKNOWN.split(","))
        emulated = (EMULATOR, "-cpu")
        # The core as the pretended one compiled it: an emulated compiler takes minutes.
        yield Machine("emulated Haswell", (*emulated, f"Haswell,{without}"), haswell)
        yield Machine("emulated Nehalem", (*emulated, "Nehalem"), vectors=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what each machine made of it; 1 where one differs from this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="of the simulated log")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        carts = prepare(folder, options.sessions)
        found = {one.name: measure(one, folder) for one in machines()}
    Console(width=120).print(table(found, carts))
    print(json.dumps(machine.describe()))
    if not shutil.which(EMULATOR):
        print(f"no '{EMULATOR}': install Debian's qemu-user to emulate other processors")
    return int(any(_differing(told, found["this one"]) for told in found.values()))


def prepare(folder: Path, sessions: int) -> int:
    """Leave a lake, a bundle and the vectors that it was trained on; returns how many."""
    simulate(folder / "raw", sessions=sessions, days=8, seed=3)
    ingest(sorted((folder / "raw").glob("*.csv")), folder / EVENTS)
    build(folder / EVENTS, folder / "training")
    trees = Boosting(learning_rate=0.1, depth=4, rounds=200)
    train(folder / "training", folder / BUNDLE, TrainingSettings(small_sample=trees))
    vectors = vectors_of(folder / "training")
    np.save(folder / VECTORS, vectors)
    return len(vectors)


def measure(one: Machine, folder: Path) -> dict[str, str]:
    """The digests that a machine tells of what it made."""
    wanted = ["vectors"] if one.vectors else []
    probe = ("-W", "ignore", "-m", "benchmarks.other_machines_probe")
    told = subprocess.run(
        [*one.prefix, sys.executable, *probe, str(folder), *wanted],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "compiled"), **one.variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    digests: dict[str, str] = json.loads(told.stdout)
    return digests


def table(found: Mapping[str, Mapping[str, str]], carts: int) -> Table:
    """A row for each machine: which of its results are those of this one, to the bit."""
    here = found["this one"]
    shown = Table(title=f"{carts:,} carts: are the bits those of this machine?")
    for column in ("", *here):
        shown.add_column(column)
    for name, told in found.items():
        shown.add_row(name, *(_mark(told.get(what), digest) for what, digest in here.items()))
    return shown


def _mark(told: str | None, here: str) -> str:
    return "not asked" if told is None else "same" if told == here else "DIFFERENT"


def _differing(told: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    return [what for what, digest in told.items() if digest != here[what]]


if __name__ == "__main__":
    sys.exit(main())
