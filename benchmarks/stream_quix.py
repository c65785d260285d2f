"""Quix Streams counting what a worker of ours counts, keyed as its documentation teaches.

Run by an interpreter that has quixstreams: ``python stream_quix.py BOOTSTRAP TOPIC FOLDER`` with
the entities as JSON on standard input: ``[[name, [column, …], [half-life in seconds, …]], …]``.
The topic is keyed by user; what has another key passes through a topic of its own (``group_by``).
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from quixstreams import Application

LANDMARK_SECONDS = 2_419_200
IDLE_SECONDS = 20
USER = ["user_id"]

Event = dict[str, Any]


def main() -> None:
    bootstrap, topic, folder = sys.argv[1:]
    moments: list[float] = []
    app = Application(
        broker_address=bootstrap,
        consumer_group=f"quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="ERROR",
    )
    source = app.topic(topic, key_deserializer="str", value_deserializer="json")
    events = app.dataframe(source)
    for name, columns, half_lives in json.load(sys.stdin):
        count = counter(name, half_lives, moments)
        if columns == USER:
            events.update(count, stateful=True)
        else:
            known = events.filter(known_by(columns))
            known.group_by(key_by(columns), name=name).update(count, stateful=True)
    app.run(timeout=IDLE_SECONDS)
    facts = {"updates": len(moments), "seconds": moments[-1] - moments[0]}
    sys.stdout.write(json.dumps(facts) + "\n")


def known_by(columns: list[str]) -> Callable[[Event], bool]:
    return lambda event: all(event.get(column) is not None for column in columns)


def key_by(columns: list[str]) -> Callable[[Event], str]:
    return lambda event: "/".join(str(event[column]) for column in columns)


def counter(
    entity: str, half_lives: list[int], moments: list[float]
) -> Callable[[Event, Any], None]:
    def count(event: Event, state: Any) -> None:
        moments.append(time.perf_counter())
        moment = datetime.fromisoformat(event["event_time"]).timestamp()
        name = f"{entity}/{event['event_type']}"
        kept = state.get(name) or {
            "landmark": moment // LANDMARK_SECONDS,
            "sums": [0.0] * len(half_lives),
            "last": 0,
        }
        since = moment - kept["landmark"] * LANDMARK_SECONDS
        kept["sums"] = [
            total + 2 ** (since / half_life)
            for total, half_life in zip(kept["sums"], half_lives, strict=True)
        ]
        kept["last"] = max(kept["last"], moment)
        state.set(name, kept)

    return count


if __name__ == "__main__":
    main()
