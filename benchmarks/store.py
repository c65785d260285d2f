"""``python -m benchmarks.store``: what stores cost, in time and in memory.

SQLite and Redis get the batches of a stream over a simulated log, answer reads as for the API, and
are loaded in bulk as by 'cartwise materialize'. Then Redis holds the states of one entity after the
other, and says what that took.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import redis
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.rawlog import raw_files, write_raw
from cartwise.data.ingest import ingest
from cartwise.data.lake import read_day, stored_days
from cartwise.events import EVENT_TYPES
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import CART, Live, LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.features.replay import Replay
from cartwise.store import Merge, Store, open_async_store, open_store
from deploy.services.redis import Redis

LIVE = Live(SPECIFICATION)
BATCH_EVENTS = 900
READS = 5000
AT_ONCE = 16
SAMPLE = 2000
LOADED_AT_A_TIME = 50_000

Packed = dict[str, list[tuple[bytes, bytes]]]


Cpu = Callable[[], float]
"""Seconds of processor that a store has taken so far: ours, and its server's."""


@dataclass
class Spent:
    """Calls to a store: seconds of each, of processor for all, and the keys they were about."""

    cpu: Cpu
    keys: int = 0
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @contextmanager
    def on(self, keys: int) -> Iterator[None]:
        cpu, begun = self.cpu(), time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - begun)
        self.cpu_seconds += self.cpu() - cpu
        self.keys += keys

    @property
    def rates(self) -> str:
        """Keys per second, and per second of processor."""
        return f"{self.keys / sum(self.seconds):,.0f} ({self.keys / self.cpu_seconds:,.0f})"

    def quantile_ms(self, share: float) -> str:
        return f"{1000 * float(np.quantile(self.seconds, share)):.2f} ms"


def main() -> int:
    options = _options()
    console = Console(highlight=False, width=110)
    with tempfile.TemporaryDirectory(prefix="cartwise-store-") as name:
        scratch = Path(name)
        log = simulated_log(scratch, options.events)
        server = Redis(scratch / "redis")
        server.start()
        try:
            urls = {"SQLite": f"sqlite:///{scratch / 'states.db'}", "Redis": server.url}
            console.print(speed_table(log, urls))
            console.print(memory_table(log, server.url))
        finally:
            server.stop()
    facts = machine.describe()
    console.print("Measured on " + ", ".join(f"{name} {fact}" for name, fact in facts.items()))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="about so many events")
    return parser.parse_args()


def simulated_log(scratch: Path, events: int) -> pl.DataFrame:
    write_raw(scratch / "raw", events)
    ingest(raw_files(scratch / "raw"), scratch / "lake")
    lake = scratch / "lake"
    return pl.concat(read_day(lake, day) for day in stored_days(lake))


def live_events(log: pl.DataFrame) -> list[LiveEvent]:
    codes = {name: code for code, name in enumerate(EVENT_TYPES)}
    columns = log.select(
        pl.col("event_time").dt.epoch("s"),
        pl.col("event_type").cast(pl.String).replace_strict(codes, return_dtype=pl.Int64),
        *("product_id", "category_id", "category_code", "brand", "price", "user_id"),
        "user_session",
    )
    return [LiveEvent(*row) for row in columns.rows()]


def speed_table(log: pl.DataFrame, urls: dict[str, str]) -> Table:
    events, states = live_events(log), packed_states(log)
    measured = {name: speeds(url, events, states) for name, url in urls.items()}
    table = Table(title=f"Speed: {len(events):,} events in batches of {BATCH_EVENTS}")
    for name in ("per second (per second of processor)", *measured):
        table.add_column(name, justify="left" if name.startswith("per") else "right")
    for row in next(iter(measured.values())):
        table.add_row(row, *(of_store[row] for of_store in measured.values()))
    return table


def speeds(url: str, events: Sequence[LiveEvent], states: Packed) -> dict[str, str]:
    carts = [event for event in events if event.kind == CART][-READS:]
    with closing(open_store(url, SPECIFICATION)) as store, processor_of(url) as cpu:
        read, merged = stream(store, events, cpu)
        one, loaded = read_carts(store, carts, cpu), load(store, states, cpu)
    return {
        "keys of an event": f"{read.keys / len(events):.1f}",
        "keys read": read.rates,
        "keys merged": merged.rates,
        "a merge: half are faster than": merged.quantile_ms(0.5),
        "a merge: 99 % are faster than": merged.quantile_ms(0.99),
        "a cart's states: half are faster than": one.quantile_ms(0.5),
        "a cart's states: 99 % are faster than": one.quantile_ms(0.99),
        f"carts' states, {AT_ONCE} at once": f"{asyncio.run(reads_per_second(url, carts)):,.0f}",
        "states loaded": loaded.rates,
    }


@contextmanager
def processor_of(url: str) -> Iterator[Cpu]:
    if not url.startswith("redis"):
        yield time.process_time
        return
    with redis.Redis.from_url(url) as client:

        def cpu() -> float:
            info = client.info("cpu")
            return time.process_time() + info["used_cpu_user"] + info["used_cpu_sys"]

        yield cpu


def stream(store: Store, events: Sequence[LiveEvent], cpu: Cpu) -> tuple[Spent, Spent]:
    """What a worker asks of a store."""
    read, merged = Spent(cpu), Spent(cpu)
    for start in range(0, len(events), BATCH_EVENTS):
        batch = LiveBatch(LIVE.packing, events[start : start + BATCH_EVENTS])
        with read.on(len(batch.keys)):
            states = store.read(batch.keys)
        deltas = dict(zip(batch.keys, batch.walk(states).deltas, strict=True))
        with merged.on(len(batch.keys)):
            store.merge(Merge(deltas, []))
    return read, merged


def read_carts(store: Store, carts: Sequence[LiveEvent], cpu: Cpu) -> Spent:
    spent = Spent(cpu)
    for cart in carts:
        keys = LIVE.keys(cart)
        with spent.on(len(keys)):
            store.read(keys)
    return spent


async def reads_per_second(url: str, carts: Sequence[LiveEvent]) -> float:
    """Reads of one cart's states, some at a time, on one event loop."""
    store = open_async_store(url, SPECIFICATION)
    keys = iter([LIVE.keys(cart) for cart in carts])
    await store.read([])

    async def work() -> None:
        for some in keys:
            await store.read(some)

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - begun
    await store.close()
    return len(carts) / seconds


def packed_states(log: pl.DataFrame) -> Packed:
    """States by entity at the end of the log, as 'cartwise materialize' loads them."""
    replay = Replay(SPECIFICATION)
    replay.values(log, np.arange(0))
    packed: Packed = {entity.name: [] for entity in SPECIFICATION.entities}
    for entity, states in replay.whole():
        place = SPECIFICATION.entities.index(entity)
        packed[entity.name] += zip(*LIVE.packing.states(place, states), strict=True)
    return packed


def load(store: Store, states: Packed, cpu: Cpu) -> Spent:
    spent = Spent(cpu)
    with spent.on(sum(map(len, states.values()))):
        store.load(_parts(iter(states.values())), {})
    return spent


def _parts(entities: Iterator[list[tuple[bytes, bytes]]]) -> Iterator[list[tuple[bytes, bytes]]]:
    for states in entities:
        for start in range(0, len(states), LOADED_AT_A_TIME):
            yield states[start : start + LOADED_AT_A_TIME]


def memory_table(log: pl.DataFrame, url: str) -> Table:
    states, users = packed_states(log), log["user_id"].n_unique()
    table = Table(title=f"Memory in Redis: states of {users:,} users at the end of the log")
    for name in ("entity", "states per user", "bytes packed", "bytes in Redis", "MEMORY USAGE"):
        table.add_column(name, justify="right")
    for entity, of_entity in states.items():
        if len(of_entity) < SAMPLE:
            continue  # too few to tell from what else a server keeps
        packed = sum(len(state) for _, state in of_entity) / len(of_entity)
        whole, usage = redis_bytes(url, of_entity)
        per_user = len(of_entity) / users
        table.add_row(entity, f"{per_user:.3f}", f"{packed:.0f}", f"{whole:.0f}", f"{usage:.0f}")
    return table


def redis_bytes(url: str, states: list[tuple[bytes, bytes]]) -> tuple[float, float]:
    """Bytes per state: what the server grew by, and what it says of the keys themselves."""
    with redis.Redis.from_url(url) as client, closing(open_store(url, SPECIFICATION)) as store:
        store.load([], {})
        before = _kept_bytes(client)
        store.load(_parts(iter([states])), {})
        grown = _kept_bytes(client) - before
        sample = [client.memory_usage(b"cw:" + key) for key, _ in states[:SAMPLE]]
    return grown / len(states), sum(sample) / len(sample)


def _kept_bytes(client: redis.Redis) -> int:
    """What a server uses but for its buffers, which come and go."""
    memory = client.info("memory")
    buffers: int = memory["mem_aof_buffer"] + memory["mem_clients_normal"]
    return memory["used_memory"] - buffers


if __name__ == "__main__":
    sys.exit(main())
